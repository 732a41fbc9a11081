/** Which Node is too old, and what is said of it. */
import { expect, it } from "vitest";
import { NODE_MIN, nodeComplaint } from "../../src/common/node-version.ts";

it.each(["20.19.0", "22.17.9", "22.2.0", "8.0.0"])("complains of Node %s", (version) => {
  expect(nodeComplaint(version)).toBe(`needs Node.js ${NODE_MIN} or later, and this is Node.js ${version}`);
});

it.each([`${NODE_MIN}.0`, "22.20.1", "24.0.0", "25.0.0-nightly20260101"])("takes Node %s", (version) => {
  expect(nodeComplaint(version)).toBeUndefined();
});
