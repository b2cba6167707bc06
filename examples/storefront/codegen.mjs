// Writes src/generated/graphql.ts: the types of src/queries/*.graphql, checked against the shop's schema.

import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";

import { codegen } from "@graphql-codegen/core";
import * as typedDocuments from "@graphql-codegen/typed-document-node";
import * as operations from "@graphql-codegen/typescript-operations";
import { buildSchema, concatAST, parse, Source, validate } from "graphql";

const here = (path) => new URL(path, import.meta.url);
const SCHEMA = here("../../schema.graphql");
const QUERIES = here("src/queries/");
const OUTPUT = here("src/generated/graphql.ts");

const text = readFileSync(SCHEMA, "utf8");
const schema = buildSchema(text);
const documents = readdirSync(QUERIES)
  .filter((name) => name.endsWith(".graphql"))
  .sort()
  .map((location) => ({
    location,
    document: parse(new Source(readFileSync(new URL(location, QUERIES), "utf8"), location)),
  }));

const mistakes = validate(schema, concatAST(documents.map(({ document }) => document)));
if (mistakes.length) {
  console.error(mistakes.map(String).join("\n\n"));
  process.exit(1);
}

const generated = await codegen({
  filename: OUTPUT.pathname,
  schema: parse(text),
  schemaAst: schema,
  documents,
  config: {
    documentMode: "string",
    useTypeImports: true,
    skipTypename: true,
    dedupeFragments: true,
    scalars: {
      ID: "string",
      CountryCode: "string",
      CurrencyCode: "string",
      DateTime: "string",
      Decimal: "string",
      JSON: "unknown",
      LanguageCode: "string",
      URL: "string",
    },
  },
  plugins: [{ operations: {} }, { typedDocuments: {} }],
  pluginMap: { operations, typedDocuments },
});

// An unchanged file isn't touched: a running vite would reload every page.
if (generated !== (readIfThere(OUTPUT) ?? "")) {
  mkdirSync(here("src/generated/"), { recursive: true });
  // At once: nobody reads half a file.
  const written = here(`src/generated/.${process.pid}.ts`);
  writeFileSync(written, generated);
  renameSync(written, OUTPUT);
}

function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
