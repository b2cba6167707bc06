// The socket that Apollo Client and urql speak over. It doesn't connect again by itself: both copy the variables, so that
// it would repeat the subscription with an old cursor.

import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

import { authorization, given, say } from "./wire.mjs";

// Apollo's link asks for the browser's constants.
globalThis.WebSocket ??= WebSocket;

export const socket = createClient({
  url: given.url.replace(/^http/, "ws"),
  webSocketImpl: WebSocket,
  retryAttempts: 0,
  connectionParams: async () => ({ authorization: await authorization() }),
  on: { closed: (event) => say({ lost: event.code }) },
});
