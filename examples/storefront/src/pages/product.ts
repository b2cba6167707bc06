// What is this product, and which variant of it goes into the cart?

import { ask, explain, Trouble } from "../api";
import * as basket from "../basket";
import { h, picture, setText, toast } from "../dom";
import { ProductDetailDocument, type ProductDetailQuery } from "../generated/graphql";
import { Shelf } from "../shelf";
import { money, stock } from "../words";
import type { Page } from "./page";

type Product = NonNullable<ProductDetailQuery["product"]>;
type Variant = Product["variants"]["nodes"][number];

export function productPage(handle: string): Page {
  return async () => {
    const { product } = await ask(ProductDetailDocument, { handle });
    if (!product) throw new Trouble("This product isn't sold any more.", "NOT_FOUND");
    const variants = product.variants.nodes;
    const shelf = new Shelf(() => refresh());
    let chosen = variants.find((variant) => variant.availableForSale) ?? variants[0];

    const image = h("div", { class: "stage" });
    const price = h("span", { class: "price" });
    const before = h("s", { class: "price before" });
    const left = h("p", { class: "stock", role: "status" });
    const add = h("button", { type: "button", class: "primary", onclick: () => void putIntoCart() }, "Add to cart");
    const choices = product.options.map(({ name, values }) =>
      choice(name, values, selected(chosen, name), (value) => {
        chosen = variantWith(variants, chosen, name, value) ?? chosen;
        show();
      }),
    );

    const show = () => {
      image.replaceChildren(picture(chosen?.image ?? product.featuredMedia, 640));
      choices.forEach((each) => each.select(selected(chosen, each.name)));
      refresh();
    };
    const refresh = () => {
      const state = chosen && shelf.get(chosen.id);
      const isForSale = Boolean(state?.availableForSale);
      setText(price, state?.price ? money(state.price) : "");
      setText(before, state?.compareAtPrice ? money(state.compareAtPrice) : "");
      setText(left, stock(isForSale, state?.quantityAvailable ?? null));
      add.disabled = !isForSale;
    };
    const putIntoCart = async () => {
      if (!chosen) return;
      add.disabled = true;
      try {
        await basket.add(chosen.id);
        toast(`${product.title} is in your cart.`);
      } catch (error) {
        toast(explain(error));
      }
      refresh();
    };

    shelf.add(variants);
    show();
    const description = h("div", { class: "description" });
    // The shop cleans merchants' markup: what can run isn't in it.
    description.innerHTML = product.descriptionHtml;
    return {
      title: product.title,
      content: [
        h("p", {}, h("a", { href: "#/" }, "← All products")),
        h(
          "article",
          { class: "product" },
          image,
          h(
            "div",
            { class: "details" },
            h("p", { class: "vendor" }, product.vendor),
            h("h1", {}, product.title),
            h("p", { class: "prices" }, price, " ", before),
            ...choices.map((each) => each.element),
            left,
            add,
            description,
          ),
        ),
      ],
      leave: () => shelf.close(),
    };
  };
}

interface Choice {
  name: string;
  element: HTMLElement;
  select: (value: string | undefined) => void;
}

function choice(name: string, values: string[], first: string | undefined, chosen: (value: string) => void): Choice {
  const buttons = values.map((value) =>
    h("input", {
      type: "radio",
      name: `option-${name}`,
      value,
      checked: value === first,
      onchange: () => chosen(value),
    }),
  );
  const labels = buttons.map((button, index) => h("label", { class: "chip" }, button, values[index]));
  return {
    name,
    element: h("fieldset", { class: "choice" }, h("legend", {}, name), ...labels),
    select: (value) => buttons.forEach((button) => (button.checked = button.value === value)),
  };
}

function selected(variant: Variant | undefined, name: string): string | undefined {
  return variant?.selectedOptions.find((option) => option.name === name)?.value;
}

/** The variant that differs from the chosen one in this option only, or any that has it. */
function variantWith(variants: Variant[], from: Variant | undefined, name: string, value: string): Variant | undefined {
  const having = variants.filter((variant) => selected(variant, name) === value);
  const keepsTheRest = (variant: Variant) =>
    variant.selectedOptions.every((option) => option.name === name || option.value === selected(from, option.name));
  return having.find(keepsTheRest) ?? having[0];
}
