// How does a shopper say who and where he is, and learn what is wrong with it?

import { h } from "../dom";
import type { AddressInput, CartViewFragment, RefusalFragment } from "../generated/graphql";
import { country } from "../words";

const COUNTRIES =
  "AT AU BE BG CA CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT JP LT LU LV MT NL NO NZ PL PT RO SE SI SK US".split(" ");

export function addressForm(cart: CartViewFragment, shopCountry: string, submitted: () => void): HTMLFormElement {
  const known = cart.deliveryAddress;
  const chosen = known?.countryCode ?? shopCountry;
  const options = [...new Set([chosen, ...COUNTRIES])]
    .map((code) => ({ code, name: country(code) }))
    .sort((one, other) => one.name.localeCompare(other.name))
    .map(({ code, name }) => h("option", { value: code, selected: code === chosen }, name));
  return h(
    "form",
    { class: "address", onsubmit: (event) => (event.preventDefault(), submitted()) },
    field("email", "E-mail", { type: "email", autocomplete: "email", value: cart.buyerIdentity.email }),
    field("firstName", "First name", { autocomplete: "given-name", value: known?.firstName }),
    field("lastName", "Last name", { autocomplete: "family-name", value: known?.lastName }),
    field("address1", "Street and number", { autocomplete: "address-line1", value: known?.address1 }),
    field("postalCode", "Postal code", { autocomplete: "postal-code", value: known?.postalCode }),
    field("city", "City", { autocomplete: "address-level2", value: known?.city }),
    labelled("countryCode", "Country", h("select", { id: "countryCode", name: "countryCode" }, ...options)),
    h("button", { type: "submit" }, "Save address"),
  );
}

export function emailIn(form: HTMLFormElement): string {
  return valueIn(form, "email");
}

export function addressIn(form: HTMLFormElement): AddressInput {
  return {
    firstName: valueIn(form, "firstName"),
    lastName: valueIn(form, "lastName"),
    address1: valueIn(form, "address1"),
    postalCode: valueIn(form, "postalCode"),
    city: valueIn(form, "city"),
    countryCode: valueIn(form, "countryCode"),
  };
}

/** Write each refusal beneath the field it is about; answer whether there was one. */
export function markRefused(form: HTMLFormElement, refusals: RefusalFragment[]): boolean {
  form.querySelectorAll(".mistake").forEach((old) => old.remove());
  form.querySelectorAll("[aria-invalid]").forEach((old) => old.removeAttribute("aria-invalid"));
  refusals.forEach((refusal, index) => {
    const name = refusal.field?.at(-1) ?? "";
    const input = form.querySelector<HTMLElement>(`[name="${CSS.escape(name)}"]`) ?? form.querySelector("button");
    const id = `mistake-${index}`;
    input?.setAttribute("aria-invalid", "true");
    input?.setAttribute("aria-describedby", id);
    input?.after(h("p", { class: "mistake", id, role: "alert" }, refusal.message));
    if (index === 0) input?.focus();
  });
  return refusals.length > 0;
}

function field(name: string, label: string, attributes: Record<string, string | null | undefined>): HTMLElement {
  return labelled(name, label, h("input", { type: "text", required: true, ...attributes, id: name, name }));
}

function labelled(name: string, label: string, input: HTMLElement): HTMLElement {
  return h("div", { class: `field field-${name}` }, h("label", { for: name }, label), input);
}

function valueIn(form: HTMLFormElement, name: string): string {
  return String(new FormData(form).get(name) ?? "").trim();
}
