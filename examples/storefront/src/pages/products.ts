// What does the shop sell, what does it cost and how much of it is left?

import { ask, explain } from "../api";
import { h, picture, setText, toast } from "../dom";
import { ProductListDocument, type ProductCardFragment } from "../generated/graphql";
import { Shelf, together } from "../shelf";
import { money, stock } from "../words";
import type { Page } from "./page";

const AT_ONCE = 24;

interface Card {
  element: HTMLElement;
  refresh: () => void;
}

export function productsPage(): Page {
  return async () => {
    const cards = new Map<string, Card>();
    const shelf = new Shelf((variantId) => cards.get(variantId)?.refresh());
    const list = h("ul", { class: "cards" });
    const more = h("button", { type: "button", class: "more", onclick: () => void showMore() }, "Show more");
    let after: string | null = null;

    const load = async () => {
      const { products } = await ask(ProductListDocument, { first: AT_ONCE, after });
      const variants = products.nodes.flatMap((product) => product.variants.nodes);
      for (const product of products.nodes) {
        const card = cardOf(product, shelf);
        product.variants.nodes.forEach((variant) => cards.set(variant.id, card));
        list.append(card.element);
      }
      shelf.add(variants);
      new Set(cards.values()).forEach((card) => card.refresh());
      after = products.pageInfo.endCursor;
      more.hidden = !products.pageInfo.hasNextPage;
    };
    const showMore = async () => {
      more.disabled = true;
      try {
        await load();
      } catch (error) {
        toast(explain(error));
      }
      more.disabled = false;
    };

    await load();
    const empty = list.children.length === 0 && h("p", {}, "There is nothing for sale yet. Please come back later.");
    return {
      title: "Products",
      content: [h("h1", {}, "Products"), empty || list, more],
      leave: () => shelf.close(),
    };
  };
}

function cardOf(product: ProductCardFragment, shelf: Shelf): Card {
  const ids = product.variants.nodes.map((variant) => variant.id);
  const price = h("span", { class: "price" });
  const left = h("span", { class: "stock" });
  const element = h(
    "li",
    { class: "card", "data-product": product.handle },
    picture(product.featuredMedia, 400),
    h("h2", {}, h("a", { href: `#/products/${encodeURIComponent(product.handle)}` }, product.title)),
    h("p", { class: "vendor" }, product.vendor),
    h("p", { class: "facts" }, price, left),
  );
  const refresh = () => {
    const sum = together(shelf.some(ids));
    setText(price, sum.lowest ? `${sum.isSpread ? "from " : ""}${money(sum.lowest)}` : "");
    setText(left, stock(sum.isForSale, sum.quantity));
    element.classList.toggle("sold-out", !sum.isForSale);
  };
  return { element, refresh };
}
