// Where is the order now, and what has happened to it?

import { ask, Trouble } from "../api";
import { alertBox, h, refill } from "../dom";
import {
  OrderReadDocument,
  OrderStatusChangedDocument,
  type OrderStatus,
  type OrderStatusChangedSubscription,
  type OrderViewFragment,
} from "../generated/graphql";
import { follow } from "../live";
import { country, moment, money, STATUS } from "../words";
import { sums, variantName } from "./cart";
import type { Page } from "./page";

type Event = OrderStatusChangedSubscription["orderStatusChanged"];
interface Step {
  id: string;
  status: OrderStatus;
  at: string;
}

const WAY: OrderStatus[] = ["CONFIRMED", "PROCESSING", "SHIPPED", "DELIVERED"];
const REACHED: Record<OrderStatus, number> = {
  PENDING_PAYMENT: 0,
  CONFIRMED: 1,
  PROCESSING: 2,
  PARTIALLY_SHIPPED: 3,
  SHIPPED: 3,
  DELIVERED: 4,
  PARTIALLY_RETURNED: 4,
  RETURNED: 4,
  CANCELLED: 0,
};

export function orderPage(orderId: string, accessToken: string): Page {
  return async () => {
    let { order } = await ask(OrderReadDocument, { orderId, accessToken });
    if (!order) throw new Trouble("We don't know this order. Is the link complete?", "NOT_FOUND");
    const steps = new Steps(orderId);
    const status = h("div", { role: "status" });
    const details = h("div", {});
    const said = h("div", {});
    const show = (now: OrderViewFragment) => {
      refill(status, h("p", { class: "status", "data-status": now.status }, STATUS[now.status]), way(now.status));
      refill(details, history(steps.all), ...parcels(now), contents(now));
    };
    show(order);
    const leave = follow({
      document: OrderStatusChangedDocument,
      variables: { orderId, accessToken },
      keepAs: `storefront:cursor:${orderId}`,
      cursor: (data) => data.orderStatusChanged.cursor,
      next: ({ orderStatusChanged: event }) => {
        steps.add(event);
        if (order && event.order.version >= order.version) order = event.order;
        if (order) show(order);
      },
      failed: (trouble) => said.replaceChildren(alertBox(trouble.message)),
    });
    return {
      title: `Order ${order.number}`,
      content: [
        h("h1", {}, `Order ${order.number}`),
        h("p", { class: "quiet" }, `Placed ${moment(order.placedAt)} by ${order.email}. This address brings you back.`),
        said,
        status,
        details,
      ],
      leave,
    };
  };
}

/** What this window has heard of an order, kept as long as the cursor to which it belongs. */
class Steps {
  readonly all: Step[];
  private readonly keptAs: string;

  constructor(orderId: string) {
    this.keptAs = `storefront:steps:${orderId}`;
    this.all = JSON.parse(sessionStorage.getItem(this.keptAs) ?? "[]") as Step[];
  }

  add({ id, status, previousStatus, occurredAt }: Event): void {
    if (this.all.some((step) => step.id === id)) return;
    // Without a previous status it tells where the order stands: what was before isn't known.
    if (previousStatus === null) this.all.length = 0;
    this.all.push({ id, status, at: occurredAt });
    sessionStorage.setItem(this.keptAs, JSON.stringify(this.all));
  }
}

function way(status: OrderStatus): HTMLElement {
  const reached = REACHED[status];
  const steps = WAY.map((step, index) =>
    h(
      "li",
      { class: index < reached ? "reached" : null, "aria-current": index + 1 === reached ? "step" : null },
      STATUS[step],
    ),
  );
  return h("ol", { class: "way", "aria-label": "The way of this order", hidden: status === "CANCELLED" }, ...steps);
}

function history(steps: Step[]): HTMLElement {
  const items = steps.map((step) =>
    h("li", { "data-step": step.status }, h("time", { datetime: step.at }, moment(step.at)), ` ${STATUS[step.status]}`),
  );
  return h("section", {}, h("h2", {}, "What happened"), h("ol", { class: "history" }, ...items));
}

function parcels(order: OrderViewFragment): HTMLElement[] {
  const tracked = order.fulfillments.flatMap(({ tracking }) => (tracking ? [tracking] : []));
  if (!tracked.length) return [];
  const items = tracked.map(({ company, number, url }) => {
    const name = [company, number].filter(Boolean).join(" ") || "Follow the parcel";
    const isAddress = /^https?:/i.test(url ?? "");
    return h("li", {}, isAddress ? h("a", { href: url, rel: "noopener", target: "_blank" }, name) : name);
  });
  return [h("section", {}, h("h2", {}, "Parcels"), h("ul", {}, ...items))];
}

function contents(order: OrderViewFragment): HTMLElement {
  const lines = order.lines.nodes.map((line) =>
    h(
      "li",
      { class: "line" },
      h("span", { class: "grow" }, `${line.quantity} × ${line.title}`, variantName(line.variantTitle, ", ")),
      h("span", { class: "price" }, money(line.cost.totalAmount)),
    ),
  );
  const to = order.shippingAddress;
  const name = [to?.firstName, to?.lastName].filter(Boolean).join(" ");
  const place = to && [name, to.address1, [to.postalCode, to.city].filter(Boolean).join(" "), country(to.countryCode)];
  return h(
    "section",
    {},
    h("h2", {}, "What you ordered"),
    h("ul", { class: "lines" }, ...lines),
    sums(order.cost, { withDelivery: true }),
    h("p", { class: "quiet" }, [order.deliveryOption.title, ...(place ?? [])].filter(Boolean).join(", ")),
  );
}
