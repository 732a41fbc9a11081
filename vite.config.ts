/** Builds the page of the console into `dist/console`: static files with hashed names, which load nothing from elsewhere. */
import { defineConfig } from "vite";

export default defineConfig({
  root: "src/console",
  // Relative: the page may be below a path of a proxy.
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../../dist/console",
    emptyOutDir: true,
    target: ["chrome123", "firefox121", "safari17.5"],
    // Nothing inline: the Content-Security-Policy allows files of this host alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // On a busy machine it would say which of its parts were slow.
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
});
