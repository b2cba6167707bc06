import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "./main.css";

import { GraphiQL } from "graphiql";
import { createRoot } from "react-dom/client";

import { examples } from "../../src/headless/graphql/static/examples.js";
import { createFetcher } from "./fetcher";
import icon from "./icon.svg";

const STORED_TABS = ["graphiql:tabState", "graphiql:query", "graphiql:variables", "graphiql:operationName"];

const fetcher = createFetcher("/graphql");

function resetTabs() {
  if (confirm("Close all tabs and open the examples again?")) {
    STORED_TABS.forEach((key) => localStorage.removeItem(key));
    location.reload();
  }
}

function Playground() {
  return (
    <>
      <header className="top">
        <img src={icon} alt="" width="20" height="20" />
        <strong>headless</strong>
        <span className="muted">playground</span>
        <nav>
          <button type="button" onClick={resetTabs}>
            Reset examples
          </button>
          <a href="/graphql/schema.graphql">Schema (SDL)</a>
        </nav>
      </header>
      <main>
        <GraphiQL fetcher={fetcher} defaultTabs={examples} defaultEditorToolsVisibility="variables" schemaDescription>
          <GraphiQL.Logo>
            <></>
          </GraphiQL.Logo>
        </GraphiQL>
      </main>
    </>
  );
}

createRoot(document.getElementById("root")!).render(<Playground />);
