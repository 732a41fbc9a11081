/** What runs in a real Chromium: `npm run proof:console`. It is left out where there is none, except in CI. */
import { existsSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { CHROMIUM } from "./chromium.ts";

const isHere = existsSync(CHROMIUM);
if (!isHere) {
  const what = `not on this machine: ${CHROMIUM} (.ci/console installs it)`;
  if (process.env.CI === "true") throw new Error(what);
  console.log(what);
}

export default defineConfig({
  test: {
    include: isHere ? ["test/console/browser/*.test.ts"] : [],
    passWithNoTests: true,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Each has a server and a browser.
    fileParallelism: false,
  },
});
