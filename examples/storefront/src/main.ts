// Which page is shown, and what surrounds it?

import { ask, explain } from "./api";
import * as basket from "./basket";
import { alertBox, byId, h } from "./dom";
import { ShopNameDocument } from "./generated/graphql";
import { watchConnection } from "./live";
import { cartPage } from "./pages/cart";
import { checkoutPage } from "./pages/checkout";
import { orderPage } from "./pages/order";
import type { Page } from "./pages/page";
import { productPage } from "./pages/product";
import { productsPage } from "./pages/products";

const PAGES: Array<[RegExp, (...found: string[]) => Page]> = [
  [/^#?\/?$/, productsPage],
  [/^#\/products\/([^/]+)$/, productPage],
  [/^#\/cart$/, cartPage],
  [/^#\/checkout$/, checkoutPage],
  [/^#\/orders\/([^/]+)\/([^/]+)$/, orderPage],
];

const main = byId("main");
let shopName = "Shop";
let leave: () => void = () => {};
let visits = 0;

async function visit(isFirst: boolean): Promise<void> {
  const number = ++visits;
  leave();
  leave = () => {};
  const page = pageAt(location.hash);
  main.replaceChildren(h("p", { class: "loading" }, "One moment…"));
  try {
    const shown = await page();
    if (number !== visits) return shown.leave?.();
    leave = shown.leave ?? leave;
    document.title = `${shown.title} · ${shopName}`;
    main.replaceChildren(...shown.content);
  } catch (error) {
    if (number !== visits) return;
    const again = h("button", { type: "button", onclick: () => void visit(false) }, "Try again");
    main.replaceChildren(alertBox(explain(error), again));
  }
  if (isFirst) return;
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

function pageAt(hash: string): Page {
  for (const [pattern, make] of PAGES) {
    const found = pattern.exec(hash);
    if (found) return make(...found.slice(1).map(decodeURIComponent));
  }
  return async () => ({
    title: "Not found",
    content: [h("h1", {}, "This page doesn't exist"), h("p", {}, h("a", { href: "#/" }, "See all products"))],
  });
}

async function nameShop(): Promise<void> {
  const { shop } = await ask(ShopNameDocument, {});
  document.title = document.title.replace(new RegExp(`${shopName}$`), shop.name);
  shopName = shop.name;
  byId("brand").textContent = shop.name;
}

watchConnection((state) => {
  byId("connection").dataset.state = state;
  byId("connection").textContent = { idle: "", live: "Live", lost: "Connection lost, trying again…" }[state];
});
basket.watchCart((cart) => {
  byId("cart-link").textContent = cart?.totalQuantity ? `Cart (${cart.totalQuantity})` : "Cart";
});
basket.open();
addEventListener("hashchange", () => void visit(false));
// The name is an ornament: without it the page works, and tells of a shop that is away by itself.
void nameShop().catch(() => {});
void visit(true);
