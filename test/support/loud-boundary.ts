/** A boundary for parts under test: an error that it catches fails the test run as an unhandled rejection. */
import { createBoundary } from "../../src/common/boundary.ts";

export const loudBoundary = createBoundary((error) => void Promise.reject(error));
