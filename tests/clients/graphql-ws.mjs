// graphql-ws connects again by itself and reads the variables anew each time: the cursor is kept in them.

import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

import { authorization, codesOf, eventIn, given, pause, say } from "./wire.mjs";

const client = createClient({
  url: given.url.replace(/^http/, "ws"),
  webSocketImpl: WebSocket,
  retryAttempts: Infinity,
  shouldRetry: () => true,
  retryWait: pause,
  connectionParams: async () => ({ authorization: await authorization() }),
  on: { closed: (event) => say({ lost: event.code }) },
});
const variables = { ...given.variables, after: given.after };

function follow() {
  client.subscribe(
    { query: given.query, variables },
    {
      next({ data }) {
        const event = eventIn(data);
        variables.after = event.cursor;
        say({ event });
      },
      error(errors) {
        if (!Array.isArray(errors)) throw errors;
        say({ refused: codesOf(errors) });
        if (codesOf(errors).includes("RESYNC_REQUIRED")) {
          variables.after = null;
          follow();
        }
      },
      complete() {},
    },
  );
}

follow();
