import { expect, it } from "vitest";
import { RecentIds } from "../../src/http2/recent-ids.ts";

it("RecentIds knows as many of the latest ids as it is asked to, and forgets the oldest first", () => {
  const recent = new RecentIds(256);
  expect(recent.has(1)).toBe(false);
  for (let id = 1; id <= 300; id++) recent.add(id);
  const known = Array.from({ length: 302 }, (_, id) => id).filter((id) => recent.has(id));
  expect([known.length, known[0], known.at(-1)]).toEqual([256, 45, 300]);
});
