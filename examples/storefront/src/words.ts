// How are money, stock, dates and statuses told to a person?

import type { AmountFragment, OrderStatus } from "./generated/graphql";

/** Amounts stay decimal strings all the way: Intl formats them without a detour over floats. */
export function money(amount: AmountFragment): string {
  const format = new Intl.NumberFormat(navigator.language, { style: "currency", currency: amount.currencyCode });
  return format.format(amount.amount as unknown as number);
}

export function isFree(amount: AmountFragment): boolean {
  return /^0*(\.0*)?$/.test(amount.amount);
}

/** `quantity` is null where stock isn't counted. */
export function stock(isForSale: boolean, quantity: number | null): string {
  if (!isForSale) return "Sold out";
  if (quantity === null) return "In stock";
  return quantity > 0 ? `${quantity} in stock` : "Available to order";
}

export function moment(iso: string): string {
  return new Intl.DateTimeFormat(navigator.language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

export function country(code: string): string {
  return new Intl.DisplayNames([navigator.language, "en"], { type: "region" }).of(code) ?? code;
}

export const STATUS: Record<OrderStatus, string> = {
  PENDING_PAYMENT: "Waiting for payment",
  CONFIRMED: "Confirmed",
  PROCESSING: "Being packed",
  PARTIALLY_SHIPPED: "Partly on its way",
  SHIPPED: "On its way",
  DELIVERED: "Delivered",
  PARTIALLY_RETURNED: "Partly returned",
  RETURNED: "Returned",
  CANCELLED: "Cancelled",
};
