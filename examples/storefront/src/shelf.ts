// What does a variant cost and how many are left, at this moment?

import {
  PriceChangedDocument,
  StockChangedDocument,
  type AmountFragment,
  type VariantStateFragment,
} from "./generated/graphql";
import { follow } from "./live";

const MOST_IDS = 250;

/** The live state of some variants. */
export class Shelf {
  private readonly states = new Map<string, VariantStateFragment>();
  private readonly stops: Array<() => void> = [];

  /** `changed` is told which variant moved. */
  constructor(private readonly changed: (variantId: string) => void) {}

  /** Follow more variants, which are as they are in `known` until something else is heard. */
  add(known: VariantStateFragment[]): void {
    known.forEach((variant) => this.states.set(variant.id, variant));
    const ids = known.map((variant) => variant.id);
    for (let start = 0; start < ids.length; start += MOST_IDS) this.watch(ids.slice(start, start + MOST_IDS));
  }

  close(): void {
    this.stops.forEach((stop) => stop());
  }

  get(variantId: string): VariantStateFragment | undefined {
    return this.states.get(variantId);
  }

  some(variantIds: string[]): VariantStateFragment[] {
    return variantIds.flatMap((id) => this.states.get(id) ?? []);
  }

  private watch(variantIds: string[]): void {
    this.stops.push(
      follow({
        document: StockChangedDocument,
        variables: { variantIds },
        cursor: (data) => data.stockChanged.cursor,
        next: ({ stockChanged: { variant, availableForSale, quantityAvailable } }) =>
          this.update(variant?.id, { availableForSale, quantityAvailable }),
      }),
      follow({
        document: PriceChangedDocument,
        variables: { variantIds },
        cursor: (data) => data.priceChanged.cursor,
        next: ({ priceChanged: { variant, price, compareAtPrice } }) =>
          this.update(variant?.id, { price, compareAtPrice }),
      }),
    );
  }

  private update(variantId: string | undefined, news: Partial<VariantStateFragment>): void {
    const known = variantId && this.states.get(variantId);
    if (!known) return;
    this.states.set(known.id, { ...known, ...news });
    this.changed(known.id);
  }
}

/** What several variants have together: how many there are, and the lowest price. */
export function together(variants: VariantStateFragment[]): {
  isForSale: boolean;
  quantity: number | null;
  lowest: AmountFragment | null;
  isSpread: boolean;
} {
  const prices = variants.flatMap((variant) => variant.price ?? []);
  const sorted = prices.sort((one, other) => Number(one.amount) - Number(other.amount));
  const isUncounted = variants.some((variant) => variant.availableForSale && variant.quantityAvailable === null);
  return {
    isForSale: variants.some((variant) => variant.availableForSale),
    quantity: isUncounted ? null : variants.reduce((sum, variant) => sum + (variant.quantityAvailable ?? 0), 0),
    lowest: sorted[0] ?? null,
    isSpread: sorted[0]?.amount !== sorted.at(-1)?.amount,
  };
}
