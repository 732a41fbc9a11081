/** The data of a modelled node is as that of a real one where the library and the servers rely on it. */
import { describe, expect, it } from "vitest";
import { Keyspace } from "./keyspace.ts";

describe("the data of a modelled node", () => {
  it("of a replica changes a key that its own clock would let expire, and makes no new one of it", () => {
    let nowMs = 0;
    const replica = new Keyspace(
      () => nowMs,
      () => 0,
    );
    replica.runReplicated(["SET", "key", "value", "PXAT", "100"]);
    nowMs = 150;
    replica.runReplicated(["SETRANGE", "key", "0", "V"]);
    expect(replica.run(["GET", "key"])).toBeNull();
    expect(replica.keys).toEqual([]);
  });
});
