import { examples } from "/playground/examples.js";

const $ = (id) => document.getElementById(id);
const [tabs, form, query, variables, headers, operation, run, status, result] = [
  "tabs", "form", "query", "variables", "headers", "operation", "run", "status", "result",
].map($);

let drafts = examples.map(({ query, variables }) => ({ query, variables }));
let current = 0;
let stop = null;

examples.forEach(({ title }, index) => {
  const tab = document.createElement("button");
  tab.type = "button";
  tab.role = "tab";
  tab.textContent = title;
  tab.addEventListener("click", () => open(index));
  tabs.append(tab);
});

function open(index) {
  finish();
  current = index;
  query.value = drafts[index].query;
  variables.value = drafts[index].variables;
  [...tabs.children].forEach((tab, at) => tab.setAttribute("aria-selected", String(at === index)));
  status.textContent = "";
  result.textContent = "";
  listOperations();
}

// Good enough to fill a menu: names after a keyword at the start of a line. The server parses.
function operations() {
  return [...query.value.matchAll(/^\s*(query|mutation|subscription)\s+([A-Za-z_]\w*)/gm)].map(
    ([, kind, name]) => ({ kind, name }),
  );
}

function listOperations() {
  const chosen = operation.value;
  operation.replaceChildren(...operations().map(({ name }) => new Option(name, name, false, name === chosen)));
  operation.hidden = operation.options.length < 2;
}

function isSubscription() {
  const named = operations().find(({ name }) => name === operation.value);
  return named ? named.kind === "subscription" : /^\s*subscription\b/m.test(query.value);
}

function parsed(field, name) {
  const text = field.value.trim();
  if (!text) return {};
  try {
    return JSON.parse(text);
  } catch (reason) {
    throw new Error(`${name} must be JSON: ${reason.message}`);
  }
}

function show(value) {
  result.textContent = typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function finish() {
  stop?.();
  stop = null;
  run.textContent = "Run";
}

async function start() {
  result.textContent = "";
  status.textContent = "Running …";
  try {
    const request = { query: query.value, variables: parsed(variables, "Variables") };
    if (operation.value) request.operationName = operation.value;
    const sent = Object.fromEntries(
      Object.entries(parsed(headers, "Headers")).map(([name, value]) => [name.toLowerCase(), String(value)]),
    );
    if (isSubscription()) {
      stop = subscribe(request, sent);
      run.textContent = "Stop";
    } else {
      await post(request, sent);
    }
  } catch (reason) {
    status.textContent = reason.message;
  }
}

async function post(request, sent) {
  const abort = new AbortController();
  stop = () => abort.abort();
  const began = performance.now();
  try {
    const response = await fetch("/graphql", {
      method: "POST",
      headers: {
        accept: "application/graphql-response+json, application/json",
        "content-type": "application/json",
        ...sent,
      },
      body: JSON.stringify(request),
      signal: abort.signal,
    });
    const text = await response.text();
    status.textContent = `HTTP ${response.status}, ${Math.round(performance.now() - began)} ms`;
    try {
      show(JSON.parse(text));
    } catch {
      show(text);
    }
    stop = null;
  } catch (reason) {
    if (!abort.signal.aborted) throw reason;
  }
}

// The protocol graphql-transport-ws with one subscription per socket. Answers how to stop it.
function subscribe(payload, sent) {
  const url = new URL("/graphql", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(url, "graphql-transport-ws");
  const say = (message) => socket.send(JSON.stringify(message));
  let events = 0;
  let over = false;

  function end(text) {
    if (over) return;
    over = true;
    status.textContent = text;
    socket.close(1000);
    finish();
  }

  socket.addEventListener("open", () => {
    status.textContent = "Connected …";
    const authorization = sent.authorization;
    say({ type: "connection_init", payload: { headers: sent, ...(authorization && { authorization }) } });
  });
  socket.addEventListener("message", ({ data }) => {
    if (over) return;
    const message = JSON.parse(data);
    switch (message.type) {
      case "connection_ack":
        status.textContent = "Listening …";
        return say({ id: "1", type: "subscribe", payload });
      case "ping":
        return say({ type: "pong" });
      case "next":
        events += 1;
        status.textContent = `Listening, ${events} received, newest first`;
        result.prepend(`${JSON.stringify(message.payload, null, 2)}\n\n`);
        while (result.childNodes.length > 100) result.lastChild.remove();
        return;
      case "error":
        show({ errors: message.payload });
        return end("The server refused the subscription");
      case "complete":
        return end(`Complete, ${events} received`);
    }
  });
  socket.addEventListener("close", ({ code, reason }) => end(`The socket was closed: ${code} ${reason}`.trim()));
  return () => end(`Stopped, ${events} received`);
}

query.addEventListener("input", () => {
  drafts[current].query = query.value;
  listOperations();
});
variables.addEventListener("input", () => {
  drafts[current].variables = variables.value;
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (run.textContent === "Stop") {
    finish();
  } else {
    finish();
    start();
  }
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  }
});

open(0);
