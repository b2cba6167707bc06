import { defineConfig } from "vite";

export default defineConfig({
  base: "/playground/",
  build: {
    outDir: "../src/headless/graphql/static/playground",
    emptyOutDir: true,
    target: "es2022",
    // Monaco and its workers are big by nature.
    chunkSizeWarningLimit: 8000,
    rolldownOptions: {
      onLog(level, log, pass) {
        // "use client" in a library means nothing in a page that has no server side.
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") pass(level, log);
      },
    },
  },
  worker: { format: "es" },
  server: {
    // `npm run dev` beside a running shop: the page from vite, the API from the shop.
    proxy: { "/graphql": { target: "http://127.0.0.1:8000", ws: true } },
    fs: { allow: [".."] },
  },
});
