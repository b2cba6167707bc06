// How do a client's script and the test talk? By lines of JSON: what the client heard goes out, tokens come in.

import { createInterface } from "node:readline";

/** The address, the document, its variables and the first cursor to go on from. */
export const given = JSON.parse(process.argv[2]);

export const RETRY_MS = 50;

const lines = createInterface({ input: process.stdin });
const answers = lines[Symbol.asyncIterator]();
// The test has ended, however it did.
lines.on("close", () => process.exit());

export function say(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

/** Ask for the token to connect with, as an app asks its own backend. */
export async function authorization() {
  say({ wants: "token" });
  const { value } = await answers.next();
  return `Bearer ${value}`;
}

export function pause() {
  return new Promise((resolve) => setTimeout(resolve, RETRY_MS));
}

export function codesOf(errors) {
  return errors.map((error) => error.extensions?.code ?? error.message);
}

/** The root field's event, whatever the field is called. */
export function eventIn(data) {
  return Object.values(data)[0];
}

/** For clients that don't repeat a subscription: make it anew with the last cursor, as often as it ends. */
export async function resubscribe(subscribeOnce) {
  let after = given.after;
  for (;;) {
    await subscribeOnce(
      { ...given.variables, after },
      {
        event(event) {
          after = event.cursor;
          say({ event });
        },
        refused(codes) {
          say({ refused: codes });
          if (codes.includes("RESYNC_REQUIRED")) after = null;
        },
      },
    );
    await pause();
  }
}
