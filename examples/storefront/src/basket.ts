// Which cart is this shopper's, and what is in it?

import { ask, Trouble } from "./api";
import { toast } from "./dom";
import {
  CartChangedDocument,
  CartCreateDocument,
  CartLinesAddDocument,
  CartLinesUpdateDocument,
  CartReadDocument,
  type CartViewFragment,
  type RefusalFragment,
} from "./generated/graphql";
import { follow } from "./live";

// Whoever has the id has the cart: it is kept like a session cookie, and is never part of an address.
const KEPT_AS = "storefront:cart";

type Watcher = (cart: CartViewFragment | null) => void;
interface Payload {
  cart: CartViewFragment | null;
  userErrors: RefusalFragment[];
  warnings: Array<{ message: string }>;
}

const watchers = new Set<Watcher>();
let cart: CartViewFragment | null = null;
let unfollow = () => {};

/** Call `watcher` now and whenever the cart changes, here or in another window; the answer ends it. */
export function watchCart(watcher: Watcher): () => void {
  watchers.add(watcher);
  watcher(cart);
  return () => watchers.delete(watcher);
}

/** Go on with the cart of the last visit. */
export function open(): void {
  followKept();
  addEventListener("storage", (event) => {
    if (event.key === KEPT_AS) followKept();
  });
}

/** The cart, fetched if nothing is known of it yet. */
export async function load(): Promise<CartViewFragment | null> {
  const cartId = localStorage.getItem(KEPT_AS);
  if (!cartId || cart) return cart;
  try {
    const found = (await ask(CartReadDocument, { cartId })).cart;
    if (found?.order) leave();
    else show(found);
  } catch (error) {
    if (!(error instanceof Trouble && error.code === "NOT_FOUND")) throw error;
    leave();
  }
  return cart;
}

/** Leave a cart that has become an order. */
export function leave(): void {
  localStorage.removeItem(KEPT_AS);
  followKept();
}

export async function add(variantId: string): Promise<void> {
  const lines = [{ variantId, quantity: 1 }];
  const cartId = localStorage.getItem(KEPT_AS);
  if (cartId) {
    const { cartLinesAdd } = await ask(CartLinesAddDocument, { input: { cartId, lines } });
    const isGone = cartLinesAdd?.userErrors.some(
      ({ code, field }) => code === "CART_COMPLETED" || (code === "NOT_FOUND" && field?.at(-1) === "cartId"),
    );
    if (!isGone) return void take(cartLinesAdd);
  }
  const { cartCreate } = await ask(CartCreateDocument, { input: { lines } });
  const made = take(cartCreate);
  localStorage.setItem(KEPT_AS, made.id);
  followKept();
}

/** Set the quantity of a line; 0 takes it out. */
export async function setQuantity(lineId: string, quantity: number): Promise<void> {
  if (!cart) return;
  const input = { cartId: cart.id, lines: [{ id: lineId, quantity }] };
  take((await ask(CartLinesUpdateDocument, { input })).cartLinesUpdate);
}

/** Show what a mutation made of the cart and tell what it adjusted; a refusal is thrown. */
export function take(payload: Payload | null): CartViewFragment {
  const refusal = payload?.userErrors[0];
  if (refusal) throw new Trouble(refusal.message, refusal.code);
  if (!payload?.cart) throw new Trouble("The cart is gone. Please fill a new one.", "NOT_FOUND");
  show(payload.cart);
  payload.warnings.forEach((warning) => toast(warning.message));
  return payload.cart;
}

/** Take over the newest cart: answers and events may pass each other on their way. */
export function show(next: CartViewFragment | null): void {
  if (next && cart?.id === next.id && next.version < cart.version) return;
  cart = next;
  watchers.forEach((watcher) => watcher(cart));
}

function followKept(): void {
  const cartId = localStorage.getItem(KEPT_AS);
  unfollow();
  unfollow = () => {};
  if (cart?.id !== cartId) show(null);
  if (!cartId) return;
  unfollow = follow({
    document: CartChangedDocument,
    variables: { cartId },
    cursor: (data) => data.cartChanged.cursor,
    next: ({ cartChanged }) => {
      if (cartChanged.cart) show(cartChanged.cart);
      if (!cartChanged.cart || cartChanged.cart.order) leave();
    },
    failed: (trouble) => {
      if (trouble.code === "NOT_FOUND") leave();
    },
  });
}
