/** Which node has a key, by what a node of the engine says. */
import { describe, expect, it } from "vitest";
import { EngineError } from "../../../src/tier/engine/resp3.ts";
import { idsByEndpoint, keyOf, movedTo, toTopology } from "../../../src/tier/engine/topology.ts";

const ASKED = { host: "asked", port: 7_000 };

describe("the node to which a key has moved", () => {
  it.each([
    ["MOVED 3999 10.0.0.2:7001", { host: "10.0.0.2", port: 7_001 }],
    ["MOVED 3999 ::1:7001", { host: "::1", port: 7_001 }],
    ["MOVED 3999 cache-1.example:7001", { host: "cache-1.example", port: 7_001 }],
    // As it names nodes where it leaves out their host.
    ["MOVED 3999 :7001", { host: "asked", port: 7_001 }],
    ["MOVED 3999 ?:7001", { host: "asked", port: 7_001 }],
  ])("is in %s", (text, endpoint) => {
    expect(movedTo(new EngineError(text), ASKED)).toEqual(endpoint);
  });

  it.each([
    ["an answer", Buffer.from("head")],
    ["nothing", null],
    ["a slot that moves", new EngineError("ASK 3999 10.0.0.2:7001")],
    ["a cluster that is down", new EngineError("CLUSTERDOWN The cluster is down")],
    ["an address that is none", new EngineError("MOVED 3999")],
    ["a connection that has ended", new Error("it has ended")],
  ])("is not in %s", (_what, reply) => {
    expect(movedTo(reply, ASKED)).toBeUndefined();
  });

  it("has the id by which the same node lists it", () => {
    const node = (host: string | null, port: number, id: string) => [
      host === null ? null : Buffer.from(host),
      port,
      Buffer.from(id),
      [],
    ];
    const topology = toTopology(
      [[0, 16_383, node(null, 7_001, "first"), node("10.0.0.3", 7_002, "second")]],
      ASKED,
    );
    if (topology === undefined) throw new Error("it is a reply to CLUSTER SLOTS");
    const ids = idsByEndpoint(topology);
    const idIn = (text: string) => {
      const endpoint = movedTo(new EngineError(text), ASKED);
      return endpoint && ids.get(keyOf(endpoint));
    };
    expect([idIn("MOVED 1 :7001"), idIn("MOVED 1 10.0.0.3:7002"), idIn("MOVED 1 10.0.0.4:7002")]).toEqual([
      "first",
      "second",
      undefined,
    ]);
  });
});
