/** The list under the prefix fences: what one copy writes, the others read, whichever was read last. */
import { describe, expect, it } from "vitest";
import {
  type PrefixFence,
  PrefixFenceList,
  prefixFenceListBytes,
} from "../../../src/store/fences/prefix-fence-list.ts";
import { createRegion } from "../../../src/store/shm/region.ts";

function fence(prefix: string, namespace: string | undefined = "n"): PrefixFence {
  return { namespace, prefix, soft: prefix.length % 2 === 0, revision: 2 ** 48, atMs: 2 ** 45 };
}

describe("PrefixFenceList", () => {
  it("appends behind what others have appended", () => {
    const region = createRegion(prefixFenceListBytes(4));
    const one = new PrefixFenceList(region);
    const other = new PrefixFenceList(region);
    const fences = [fence("a"), fence("ключ"), fence("", undefined), fence("")];
    for (const [at, added] of fences.entries()) (at % 2 === 0 ? one : other).append(added);
    expect(other.fences()).toEqual(fences);
    expect(one.fences()).toEqual(fences);
    expect(new PrefixFenceList(region).fences()).toEqual(fences);
  });

  it("keeps some of the fences that other threads have appended", () => {
    const region = createRegion(prefixFenceListBytes(4));
    const one = new PrefixFenceList(region);
    const other = new PrefixFenceList(region);
    for (const prefix of ["a", "b", "c"]) one.append(fence(prefix));
    expect(other.count).toBe(3);
    other.keep(({ prefix }) => prefix !== "a");
    one.append(fence("d"));
    const left = ["b", "c", "d"].map((prefix) => fence(prefix));
    expect([one.fences(), other.fences()]).toEqual([left, left]);
    one.keep(() => false);
    expect([one.count, other.fences()]).toEqual([0, []]);
  });
});
