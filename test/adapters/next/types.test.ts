/** The cache handler is what Next.js declares. */
import { itHasSoundTypes } from "../type-check.ts";

itHasSoundTypes("test/adapters/next/types");
