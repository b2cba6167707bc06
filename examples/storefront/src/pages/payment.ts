// How is paid, in a shop where no money moves?

import { h } from "../dom";

/** The cards of the sandbox. A real provider's script gives such a token for what the shopper types. */
const CARDS: Array<[token: string, label: string]> = [
  ["tok_visa", "A card that works"],
  ["tok_3ds", "A card whose bank asks back (3-D Secure)"],
  ["tok_declined", "A card that is declined"],
  ["tok_insufficient_funds", "A card without enough money"],
  ["tok_timeout", "A bank that answers late"],
];
const KEPT_AS = "storefront:attempt";

export function paymentChoices(): HTMLElement[] {
  return CARDS.map(([token, label], index) =>
    h(
      "label",
      { class: "row" },
      h("input", { type: "radio", id: token, name: "card", value: token, checked: index === 0 }),
      h("span", { class: "grow" }, label),
    ),
  );
}

export function chosenCard(form: HTMLFormElement): string {
  return String(new FormData(form).get("card"));
}

/** The same key for the same attempt, even when the page was loaded anew in between: nobody pays twice. */
export function attemptKey(cartId: string, token: string, acceptPriceChanges: boolean): string {
  const attempt = [cartId, token, acceptPriceChanges].join(" ");
  const [kept, keptKey] = (sessionStorage.getItem(KEPT_AS) ?? "").split("|");
  if (kept === attempt && keptKey) return keptKey;
  const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0"));
  sessionStorage.setItem(KEPT_AS, `${attempt}|${key.join("")}`);
  return key.join("");
}
