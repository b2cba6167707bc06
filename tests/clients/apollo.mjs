// Apollo Client over a socket: its link is made of a client of graphql-ws.

import { ApolloClient, ApolloLink, gql, InMemoryCache } from "@apollo/client";
import { CombinedGraphQLErrors } from "@apollo/client/errors";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";

import { socket } from "./socket.mjs";
import { codesOf, eventIn, given, resubscribe } from "./wire.mjs";

const client = new ApolloClient({ link: ApolloLink.from([new GraphQLWsLink(socket)]), cache: new InMemoryCache() });
const query = gql(given.query);

await resubscribe(
  (variables, { event, refused }) =>
    new Promise((ended) => {
      client.subscribe({ query, variables, fetchPolicy: "no-cache" }).subscribe({
        next({ data, error }) {
          if (data) event(eventIn(data));
          if (CombinedGraphQLErrors.is(error)) refused(codesOf(error.errors));
        },
        error: ended,
        complete: ended,
      });
    }),
);
