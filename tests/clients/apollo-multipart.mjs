// Apollo Client over HTTP: subscriptions come as parts of one multipart response.

import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { CombinedGraphQLErrors, CombinedProtocolErrors } from "@apollo/client/errors";
import { SetContextLink } from "@apollo/client/link/context";

import { authorization, codesOf, eventIn, given, resubscribe, say } from "./wire.mjs";

const token = new SetContextLink(async () => ({ headers: { authorization: await authorization() } }));
const client = new ApolloClient({
  link: ApolloLink.from([token, new HttpLink({ uri: given.url })]),
  cache: new InMemoryCache(),
});
const query = gql(given.query);

await resubscribe(
  (variables, { event, refused }) =>
    new Promise((ended) => {
      const over = () => {
        say({ lost: null });
        ended();
      };
      client.subscribe({ query, variables, fetchPolicy: "no-cache" }).subscribe({
        next({ data, error }) {
          if (data) event(eventIn(data));
          const isTold = CombinedGraphQLErrors.is(error) || CombinedProtocolErrors.is(error);
          if (isTold) refused(codesOf(error.errors));
        },
        error: over,
        complete: over,
      });
    }),
);
