// How does the page ask the shop, and what does it tell people when that fails?

import type { TypedDocumentString } from "./generated/graphql";

export const SHOP_URL = __SHOP_URL__;
export const GRAPHQL_URL = `${SHOP_URL}/graphql`;

/** The shop didn't carry out the request; `message` is written for the shopper. */
export class Trouble extends Error {
  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message);
  }
}

interface GraphQLFault {
  message: string;
  extensions?: { code?: string };
}

interface Body<TData> {
  data?: TData | null;
  errors?: GraphQLFault[];
}

const EXPLAINED: Record<string, string> = {
  NOT_FOUND: "This isn't here any more. It may have been removed, or the link is wrong.",
  THROTTLED: "That was a bit fast. Please wait a moment and try again.",
  UNAVAILABLE: "The shop is very busy right now. Please try again in a moment.",
};

/** Run a query or mutation; what can't be answered is thrown as `Trouble`. */
export async function ask<TData, TVariables>(
  document: TypedDocumentString<TData, TVariables>,
  variables: TVariables,
): Promise<TData> {
  let body: Body<TData>;
  try {
    const response = await fetch(GRAPHQL_URL, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/graphql-response+json, application/json" },
      body: JSON.stringify({ query: document.toString(), variables }),
    });
    body = (await response.json()) as Body<TData>;
  } catch {
    throw new Trouble("The shop can't be reached. Check your connection and try again.", "UNREACHABLE");
  }
  const fault = body.errors?.[0];
  if (fault || !body.data) throw troubleOf(fault);
  return body.data;
}

export function troubleOf(fault: GraphQLFault | undefined): Trouble {
  const code = fault?.extensions?.code ?? "UNKNOWN";
  return new Trouble(EXPLAINED[code] ?? "Something went wrong on our side. Please try again.", code);
}

/** The words for any error that reached a page. */
export function explain(error: unknown): string {
  return error instanceof Trouble ? error.message : "Something went wrong in this page. Reload it, please.";
}
