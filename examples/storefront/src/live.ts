// How does the page follow the shop, and lose nothing when the connection breaks?

import { createClient } from "graphql-ws";

import { GRAPHQL_URL, troubleOf, type Trouble } from "./api";
import type { TypedDocumentString } from "./generated/graphql";

export type Connection = "idle" | "live" | "lost";

/** Every subscription of the API takes the cursor after which it goes on. */
interface Resumable {
  after?: string | null | undefined;
}

interface Follow<TData, TVariables> {
  document: TypedDocumentString<TData, TVariables>;
  variables: Omit<TVariables, "after">;
  /** Where the cursor of an event is. */
  cursor: (data: TData) => string;
  next: (data: TData) => void;
  /** The shop refused for good. */
  failed?: (trouble: Trouble) => void;
  /** A key of sessionStorage: a page that is loaded again goes on where it was. */
  keepAs?: string;
}

const PING_MS = 10_000;
const PONG_MS = 5_000;
const LONGEST_WAIT_MS = 30_000;

const watchers = new Set<(state: Connection) => void>();
let connection: Connection = "idle";
let unanswered: ReturnType<typeof setTimeout> | undefined;

const client = createClient({
  url: GRAPHQL_URL.replace(/^http/, "ws"),
  keepAlive: PING_MS,
  retryAttempts: Infinity,
  shouldRetry: () => true,
  retryWait: (tries) => pause(tries === 0 ? 0 : Math.min(500 * 2 ** tries, LONGEST_WAIT_MS)),
  on: {
    connected: () => say("live"),
    closed: (event) => {
      clearTimeout(unanswered);
      // 1000 is our own farewell: nobody subscribes any more.
      say((event as CloseEvent).code === 1000 ? "idle" : "lost");
    },
    // A dead network sends no close: whoever doesn't answer a ping is gone.
    ping: (received) => {
      if (!received) unanswered = setTimeout(() => client.terminate(), PONG_MS);
    },
    pong: (received) => {
      if (received) clearTimeout(unanswered);
    },
  },
});

/** Call `watcher` with the state of the connection, now and whenever it changes. */
export function watchConnection(watcher: (state: Connection) => void): void {
  watchers.add(watcher);
  watcher(connection);
}

/** Follow a subscription, from one connection to the next, until the returned function is called. */
export function follow<TData, TVariables extends Resumable>(wanted: Follow<TData, TVariables>): () => void {
  const kept = wanted.keepAs ? sessionStorage.getItem(wanted.keepAs) : null;
  // graphql-ws reads this object anew at each connection: keeping the cursor in it is all that resuming takes.
  const variables: Record<string, unknown> = { ...wanted.variables, after: kept };
  let stop = () => {};

  const keep = (cursor: string | null) => {
    variables.after = cursor;
    if (!wanted.keepAs) return;
    if (cursor === null) sessionStorage.removeItem(wanted.keepAs);
    else sessionStorage.setItem(wanted.keepAs, cursor);
  };
  const start = () => {
    stop = client.subscribe<TData>(
      { query: wanted.document.toString(), variables },
      {
        next: ({ data }) => {
          if (!data) return;
          wanted.next(data);
          keep(wanted.cursor(data));
        },
        error: (errors) => {
          const trouble = troubleOf(Array.isArray(errors) ? errors[0] : undefined);
          if (trouble.code === "RESYNC_REQUIRED") {
            keep(null);
            start();
          } else {
            wanted.failed?.(trouble);
          }
        },
        complete: () => {},
      },
    );
  };
  start();
  return () => stop();
}

function say(state: Connection): void {
  connection = state;
  watchers.forEach((watcher) => watcher(state));
}

function pause(milliseconds: number): Promise<void> {
  // Some chance, so that not everybody comes back at the same moment.
  return new Promise((resolve) => setTimeout(resolve, milliseconds + Math.random() * 300));
}
