/** The suites of other interfaces, with what `.ci/adapters` installs: `npm run proof:adapters`. */
import { defineConfig } from "vitest/config";
import { isInstalled } from "../installed.ts";

export default defineConfig({
  test: {
    include: isInstalled(import.meta.dirname, "the suites of Keyv, BentoCache and others")
      ? ["test/adapters/suites/**/*.test.ts"]
      : [],
    passWithNoTests: true,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
