// graphql-sse connects again by itself and writes the variables anew each time: the cursor is kept in them.

import { createClient } from "graphql-sse";

import { authorization, codesOf, eventIn, given, pause, say } from "./wire.mjs";

const variables = { ...given.variables, after: given.after };
const client = createClient({
  url: given.url,
  retryAttempts: Infinity,
  retry: pause,
  headers: async () => ({ authorization: await authorization() }),
  on: {
    connecting(isAgain) {
      if (isAgain) say({ lost: null });
    },
  },
});

function follow() {
  client.subscribe(
    { query: given.query, variables },
    {
      next({ data, errors }) {
        if (errors) {
          say({ refused: codesOf(errors) });
          if (codesOf(errors).includes("RESYNC_REQUIRED")) variables.after = null;
          return;
        }
        const event = eventIn(data);
        variables.after = event.cursor;
        say({ event });
      },
      error(error) {
        say({ broken: String(error) });
      },
      // The shop ends a stream that is refused: with another cursor or token it is made anew.
      complete: () => setTimeout(follow),
    },
  );
}

follow();
