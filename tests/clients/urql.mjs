// urql over a socket: its subscription exchange forwards to a client of graphql-ws.

import { Client, fetchExchange, gql, subscriptionExchange } from "@urql/core";

import { socket } from "./socket.mjs";
import { codesOf, eventIn, given, resubscribe } from "./wire.mjs";

const client = new Client({
  url: given.url,
  exchanges: [
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: ({ query, variables }) => ({
        subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
      }),
    }),
  ],
});
const query = gql(given.query);

await resubscribe(
  (variables, { event, refused }) =>
    new Promise((ended) => {
      const { unsubscribe } = client.subscription(query, variables).subscribe(({ data, error }) => {
        if (data) event(eventIn(data));
        if (!error) return;
        if (error.graphQLErrors.length) refused(codesOf(error.graphQLErrors));
        // Not within the call that brings it.
        setTimeout(() => (unsubscribe(), ended()));
      });
    }),
);
