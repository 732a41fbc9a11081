import { describe, expect, it } from "vitest";
import type { Change } from "../../../src/client/coherence/coherence.ts";
import { createRecentChanges } from "../../../src/client/coherence/recent-changes.ts";

const changeOf = (revision: number, target: Change["target"], name: string, namespace = "n"): Change => ({
  shard: 0,
  revision,
  namespace,
  target,
  name,
});

describe("RecentChanges", () => {
  it.for<[Change, boolean]>([
    [changeOf(6, "key", "k:1"), true],
    [changeOf(6, "key", "k:2"), false],
    [changeOf(6, "tag", "t"), true],
    [changeOf(6, "tag", "u"), false],
    [changeOf(6, "prefix", "k:"), true],
    [changeOf(6, "prefix", "l:"), false],
    [changeOf(6, "all", ""), true],
    [changeOf(6, "all", "", "other"), false],
    [changeOf(5, "key", "k:1"), false],
  ])("compares an entry read at revision 5 with %o: %s", ([change, matches]) => {
    const recent = createRecentChanges();
    recent.add(change);
    // A later change of something else, so that the highest revision does not decide.
    recent.add(changeOf(9, "key", "else"));
    expect(recent.mayMatchAfter(5, "n", "k:1", ["t"])).toBe(matches);
  });

  it("counts a change that was pushed out as a match, for entries from before it", () => {
    const recent = createRecentChanges(2);
    for (const revision of [1, 2, 3]) recent.add(changeOf(revision, "key", "else"));
    expect(recent.mayMatchAfter(0, "n", "k", [])).toBe(true);
    expect(recent.mayMatchAfter(1, "n", "k", [])).toBe(false);
  });

  it("counts every change up to a dropped revision as a match", () => {
    const recent = createRecentChanges();
    recent.drop(7);
    expect(recent.mayMatchAfter(6, "n", "k", [])).toBe(true);
    expect(recent.mayMatchAfter(7, "n", "k", [])).toBe(false);
  });
});
