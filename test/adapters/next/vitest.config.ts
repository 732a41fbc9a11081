/** Two servers of an application of Next.js, with what `.ci/adapters` installs: `npm run proof:next`. */
import { defineConfig } from "vitest/config";
import { isInstalled } from "../installed.ts";

export default defineConfig({
  test: {
    include: isInstalled(import.meta.dirname, "two servers of Next.js")
      ? ["test/adapters/next/*.test.ts"]
      : [],
    passWithNoTests: true,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
