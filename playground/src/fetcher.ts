import type { Fetcher, FetcherParams, Observable } from "@graphiql/toolkit";
import { getOperationAST, GraphQLError, parse, type ExecutionResult } from "graphql";
import { createClient } from "graphql-ws";

type Headers = Record<string, string>;

/** Sends queries and mutations by POST, subscriptions over a WebSocket at the same URL. */
export function createFetcher(path: string): Fetcher {
  const url = new URL(path, location.href);
  return ({ query, variables, operationName }, options) => {
    const operation = operationIn(query, operationName);
    const request = { query, variables, operationName: operation?.name?.value ?? operationName };
    const headers = lowerCased(options?.headers);
    return operation?.operation === "subscription" ? listen(url, request, headers) : post(url, request, headers);
  };
}

/** Looks into the document itself, because the editor's idea of its operations lags behind fast typing. */
function operationIn(query: string, name: string | null | undefined) {
  try {
    const document = parse(query);
    return getOperationAST(document, name) ?? getOperationAST(document);
  } catch {
    return null;
  }
}

function lowerCased(headers: Record<string, unknown> | undefined): Headers {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]));
}

async function post(url: URL, request: FetcherParams, headers: Headers): Promise<ExecutionResult> {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      accept: "application/graphql-response+json, application/json",
      "content-type": "application/json",
      ...headers,
    },
    body: JSON.stringify(request),
  });
  const text = await response.text();
  try {
    return JSON.parse(text) as ExecutionResult;
  } catch {
    return failure(`HTTP ${response.status} ${response.statusText}: ${text.slice(0, 500)}`);
  }
}

type Sink = {
  next(value: ExecutionResult): void;
  complete(): void;
};

/** Opens a socket of its own for each run, because the headers may have been edited since the last one. */
function listen(url: URL, request: FetcherParams, headers: Headers): Observable<ExecutionResult> {
  const address = new URL(url);
  address.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return {
    subscribe(sink: Sink) {
      const client = createClient({
        url: address.href,
        connectionParams: { headers, ...(headers.authorization && { authorization: headers.authorization }) },
        // A refused token stays refused; a deploy or a lost network doesn't last.
        shouldRetry: (reason) => reason instanceof CloseEvent && reason.code !== 4403,
      });
      const unsubscribe = client.subscribe(request, {
        next: (result) => sink.next(result as ExecutionResult),
        error: (reason) => {
          sink.next(refusal(reason));
          sink.complete();
        },
        complete: () => sink.complete(),
      });
      return { unsubscribe };
    },
  } as Observable<ExecutionResult>;
}

function refusal(reason: unknown): ExecutionResult {
  if (Array.isArray(reason)) {
    return { errors: reason as GraphQLError[] };
  }
  if (reason instanceof CloseEvent) {
    return failure(`The socket was closed: ${reason.code} ${reason.reason}`.trim());
  }
  return failure(reason instanceof Error ? reason.message : "The socket could not be opened.");
}

function failure(message: string): ExecutionResult {
  return { errors: [new GraphQLError(message)] };
}
