// What is in the cart, and what does it cost?

import { explain } from "../api";
import * as basket from "../basket";
import { h, picture, refill, toast } from "../dom";
import type { CartViewFragment, SumsFragment } from "../generated/graphql";
import { isFree, money } from "../words";
import type { Page } from "./page";

type Line = CartViewFragment["lines"]["nodes"][number];

export function cartPage(): Page {
  return async () => {
    await basket.load();
    const content = h("div", {});
    const leave = basket.watchCart((cart) => refill(content, ...(cart?.lines.nodes.length ? full(cart) : empty())));
    return { title: "Cart", content: [h("h1", {}, "Your cart"), content], leave };
  };
}

function empty(): Node[] {
  return [h("p", {}, "Nothing is in it yet."), h("p", {}, h("a", { class: "button", href: "#/" }, "See all products"))];
}

function full(cart: CartViewFragment): Node[] {
  return [
    h("ul", { class: "lines" }, ...cart.lines.nodes.map(lineOf)),
    sums(cart.cost, { withDelivery: cart.selectedDeliveryOption !== null }),
    h("p", {}, h("a", { class: "button primary", href: "#/checkout" }, "Go to checkout")),
  ];
}

function lineOf(line: Line): HTMLElement {
  const title = line.variant?.product.title ?? "No longer sold";
  const field = h("input", {
    id: `quantity-${line.id}`,
    type: "number",
    min: 0,
    max: 9999,
    value: line.quantity,
    inputmode: "numeric",
    "aria-label": `Quantity of ${title}`,
    onchange: () => void set(line, Math.trunc(field.valueAsNumber), field),
  });
  return h(
    "li",
    { class: "line" },
    picture(line.variant?.image ?? line.variant?.product.featuredMedia, 96),
    h(
      "div",
      { class: "grow" },
      h("strong", {}, title),
      h("p", { class: "quiet" }, money(line.cost.amountPerQuantity), variantName(line.variant?.title, " · ")),
    ),
    field,
    h("span", { class: "price" }, money(line.cost.totalAmount)),
    h(
      "button",
      { type: "button", class: "plain", "aria-label": `Remove ${title}`, onclick: () => void set(line, 0, field) },
      "Remove",
    ),
  );
}

/** What distinguishes a variant. A product without options has one, whose name says nothing. */
export function variantName(title: string | undefined, separator: string): string {
  return title && title !== "Default Title" ? `${separator}${title}` : "";
}

async function set(line: Line, quantity: number, field: HTMLInputElement): Promise<void> {
  if (!Number.isInteger(quantity) || quantity < 0) {
    field.value = String(line.quantity);
    return;
  }
  try {
    await basket.setQuantity(line.id, quantity);
  } catch (error) {
    field.value = String(line.quantity);
    toast(explain(error));
  }
}

/** The sums of a cart or an order. */
export function sums(cost: SumsFragment, { withDelivery }: { withDelivery: boolean }): HTMLElement {
  const rows: Array<[string, string]> = [["Subtotal", money(cost.subtotalAmount)]];
  if (!isFree(cost.totalDiscountAmount)) rows.push(["Discount", `−${money(cost.totalDiscountAmount)}`]);
  if (withDelivery) rows.push(["Delivery", isFree(cost.totalDeliveryAmount) ? "free" : money(cost.totalDeliveryAmount)]);
  if (!isFree(cost.totalTaxAmount)) rows.push(["Tax", money(cost.totalTaxAmount)]);
  rows.push(["Total", money(cost.totalAmount)]);
  return h("dl", { class: "sums" }, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}
