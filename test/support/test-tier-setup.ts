/** A setup file of vitest: a worker that ends leaves no engine behind. */
import { afterAll } from "vitest";
import { stopTestTier } from "./test-tier.ts";

afterAll(() => stopTestTier());
