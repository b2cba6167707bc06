import { defineConfig, loadEnv } from "vite";

export default defineConfig(({ mode }) => {
  const env = loadEnv(mode, ".", "HEADLESS_");
  const shop = env.HEADLESS_URL ?? "http://127.0.0.1:8000";
  return {
    define: { __SHOP_URL__: JSON.stringify(shop.replace(/\/+$/, "")) },
    cacheDir: env.HEADLESS_STOREFRONT_CACHE ?? "node_modules/.vite",
    server: { host: "127.0.0.1", port: 5173 },
    preview: { host: "127.0.0.1", port: 5173 },
    build: { target: "es2022" },
  };
});
