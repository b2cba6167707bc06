// Where does the order go, how does it get there, and who pays?

import { ask, explain, Trouble } from "../api";
import * as basket from "../basket";
import { alertBox, h, refill } from "../dom";
import {
  CartDeliverDocument,
  CartDeliveryOptionSelectDocument,
  CheckoutCompleteDocument,
  ShopNameDocument,
  type CartViewFragment,
  type CheckoutCompleteMutation,
} from "../generated/graphql";
import { isFree, money } from "../words";
import { addressForm, addressIn, emailIn, markRefused } from "./address";
import { sums } from "./cart";
import type { Page } from "./page";
import { attemptKey, chosenCard, paymentChoices } from "./payment";

type Outcome = NonNullable<CheckoutCompleteMutation["checkoutComplete"]>;

const NOT_SURE =
  "The connection broke, so we can't tell yet whether the payment went through. Press Pay again: you pay only once.";

export function checkoutPage(): Page {
  return async () => {
    const [cart, { shop }] = await Promise.all([basket.load(), ask(ShopNameDocument, {})]);
    if (!cart?.lines.nodes.length) throw new Trouble("Your cart is empty. Put something into it first.", "NO_LINES");
    const checkout = new Checkout(cart, shop.defaultChannel.defaultCountry);
    return { title: "Checkout", content: checkout.content, leave: basket.watchCart((next) => checkout.show(next)) };
  };
}

class Checkout {
  readonly content: Node[];
  private readonly form: HTMLFormElement;
  private readonly delivery = h("div", {});
  private readonly payment: HTMLFormElement;
  private readonly summary = h("aside", { class: "summary", "aria-label": "Summary" });
  private readonly said = h("div", {});
  private readonly pay = h("button", { type: "submit", class: "primary" }, "Pay");
  private cart: CartViewFragment;

  constructor(cart: CartViewFragment, country: string) {
    this.cart = cart;
    this.form = addressForm(cart, country, () => void this.saveAddress());
    this.payment = h(
      "form",
      { onsubmit: (event) => (event.preventDefault(), void this.complete({ acceptPriceChanges: false })) },
      ...paymentChoices(),
      this.said,
      this.pay,
    );
    const section = (title: string, child: Node) => h("section", {}, h("h2", {}, title), child);
    const steps = [
      section("1. Address", this.form),
      section("2. Delivery", this.delivery),
      section("3. Payment", this.payment),
    ];
    this.content = [
      h("h1", {}, "Checkout"),
      h("div", { class: "checkout" }, h("div", { class: "steps" }, ...steps), this.summary),
    ];
  }

  /** Show what the cart has become; an order ends the checkout. */
  show(cart: CartViewFragment | null): void {
    if (!cart) return;
    this.cart = cart;
    if (cart.order) {
      goToOrder(cart.order);
      return;
    }
    refill(this.delivery, ...this.deliveryOptions());
    const lines = cart.lines.nodes.map((line) =>
      h("li", {}, `${line.quantity} × ${line.variant?.product.title ?? "No longer sold"}`),
    );
    refill(
      this.summary,
      h("ul", {}, ...lines),
      sums(cart.cost, { withDelivery: cart.selectedDeliveryOption !== null }),
      h("a", { href: "#/cart" }, "Change the cart"),
    );
    this.pay.textContent = `Pay ${money(cart.cost.totalAmount)}`;
    this.pay.disabled = cart.problems.some((problem) => problem.code !== "PRICE_CHANGED");
  }

  private deliveryOptions(): Node[] {
    const { deliveryAddress, deliveryOptions, selectedDeliveryOption } = this.cart;
    if (!deliveryAddress) return [h("p", { class: "quiet" }, "Tell us the address first.")];
    if (!deliveryOptions.length) return [alertBox("We don't deliver there, sorry. Please choose another address.")];
    return deliveryOptions.map((option) => {
      const button = h("input", {
        type: "radio",
        id: `delivery-${option.id}`,
        name: "delivery",
        value: option.id,
        checked: option.id === selectedDeliveryOption?.id,
        onchange: () => void this.selectDelivery(option.id),
      });
      const cost = isFree(option.cost) ? "free" : money(option.cost);
      return h("label", { class: "row" }, button, h("span", { class: "grow" }, option.title), cost);
    });
  }

  private async saveAddress(): Promise<void> {
    const cartId = this.cart.id;
    await this.attempt(async () => {
      const { cartBuyerIdentityUpdate, cartDeliveryAddressUpdate } = await ask(CartDeliverDocument, {
        identity: { cartId, buyerIdentity: { email: emailIn(this.form) } },
        address: { cartId, address: addressIn(this.form) },
      });
      const refusals = [
        ...(cartBuyerIdentityUpdate?.userErrors ?? []),
        ...(cartDeliveryAddressUpdate?.userErrors ?? []),
      ];
      if (markRefused(this.form, refusals)) return;
      const cart = basket.take(cartDeliveryAddressUpdate);
      const only = cart.deliveryOptions.length === 1 ? cart.deliveryOptions[0] : undefined;
      if (only && !cart.selectedDeliveryOption) await this.selectDelivery(only.id);
    });
  }

  private async selectDelivery(deliveryOptionId: string): Promise<void> {
    await this.attempt(async () => {
      const input = { cartId: this.cart.id, deliveryOptionId };
      basket.take((await ask(CartDeliveryOptionSelectDocument, { input })).cartDeliveryOptionSelect);
    });
  }

  private async complete({ acceptPriceChanges }: { acceptPriceChanges: boolean }): Promise<void> {
    const cartId = this.cart.id;
    const token = chosenCard(this.payment);
    const idempotencyKey = attemptKey(cartId, token, acceptPriceChanges);
    this.pay.disabled = true;
    this.pay.textContent = "One moment…";
    await this.attempt(async () => {
      const input = { cartId, acceptPriceChanges, idempotencyKey, payment: { provider: "sandbox", token } };
      const { checkoutComplete } = await ask(CheckoutCompleteDocument, { input });
      if (checkoutComplete) this.tell(checkoutComplete);
    }, NOT_SURE);
    if (!this.cart.order) this.show(this.cart);
  }

  private tell({ order, checkout, cart, userErrors }: Outcome): void {
    if (order) {
      goToOrder(order);
      basket.leave();
      return;
    }
    if (cart) basket.show(cart);
    const refusal = userErrors[0];
    const again = (label: string, acceptPriceChanges: boolean) =>
      h("button", { type: "button", onclick: () => void this.complete({ acceptPriceChanges }) }, label);
    if (refusal?.code === "PRICE_CHANGED") {
      this.said.replaceChildren(alertBox(refusal.message, again("Pay the new price", true)));
    } else if (refusal) {
      this.said.replaceChildren(alertBox(refusal.message));
    } else if (checkout?.status === "ACTION_REQUIRED") {
      const bank = h("a", { href: checkout.nextAction?.url, target: "_blank", rel: "noopener" }, "Go to your bank");
      const message = "Your bank wants you to confirm this payment. Come back here when you have.";
      this.said.replaceChildren(alertBox(message, bank, again("I have confirmed it", false)));
    } else {
      const message = "The payment is on its way, but the bank hasn't answered yet. This page goes on when it does.";
      this.said.replaceChildren(alertBox(message, again("Ask again", false)));
    }
  }

  private async attempt(deed: () => Promise<void>, unreachable?: string): Promise<void> {
    this.said.replaceChildren();
    try {
      await deed();
    } catch (error) {
      const isUnreachable = error instanceof Trouble && error.code === "UNREACHABLE";
      this.said.replaceChildren(alertBox((isUnreachable && unreachable) || explain(error)));
    }
  }
}

function goToOrder({ id, accessToken }: { id: string; accessToken: string }): void {
  location.hash = `#/orders/${encodeURIComponent(id)}/${encodeURIComponent(accessToken)}`;
}
