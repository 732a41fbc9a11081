import { expect, it } from "vitest";
import { CacheService, Gap_Reason, type StreamResponse } from "../../gen/meshcache/v1/cache_pb.ts";
import { MeshCache } from "../../src/index.ts";
import type { ServiceClient } from "../../src/rpc/client.ts";
import { describeEngines } from "../support/engine/describe-engines.ts";
import { eventually } from "../support/eventually.ts";
import { startServer } from "../support/running-server.ts";
import { startTierServers, tierStoreOver } from "../support/tier-server.ts";

const { method } = CacheService;
const namespace = "cursors";

/** More than a server reads of a stream at once. */
const WRITES = 1_200;

type Frame = StreamResponse["frame"];

/** Reads frames from a cursor on until the first Progress or Gap after the opening. */
async function readOn(
  client: ServiceClient,
  cursor: Uint8Array,
): Promise<{ keys: string[]; gap?: Gap_Reason; cursor: Uint8Array }> {
  const call = client.serverStream(method.stream, { namespace, cursor: Uint8Array.from(cursor) });
  call.on("error", () => {});
  const keys: string[] = [];
  try {
    for await (const { frame } of call as AsyncIterable<{ frame: Frame }>) {
      if (frame.case === "events") {
        for (const { target } of frame.value.events) if (target.case === "key") keys.push(target.value);
      }
      if (frame.case === "gap") return { keys, gap: frame.value.reason, cursor: frame.value.cursor };
      if (frame.case === "progress") return { keys, cursor: frame.value.cursor };
    }
  } finally {
    call.cancel();
  }
  throw new Error("the stream ended");
}

const set = (client: ServiceClient, key: string) =>
  client.unary(method.set, { namespace, key, value: Buffer.from("1") });

describeEngines(
  "cursors of the tier",
  (engine) => {
    it("are good on every server, also on one that was started since, and lose nothing", async () => {
      const { servers, stop } = await startTierServers(engine.cluster.addresses, 2);
      const [one, other] = servers.map(({ client }) => client);
      if (one === undefined || other === undefined) throw new Error("there are two servers");
      const { cursor } = await readOn(one, new Uint8Array());
      const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
      for (const [index, key] of keys.entries()) await set(index % 2 === 0 ? one : other, key);
      const moved = await readOn(other, cursor);
      expect(moved.gap).toBeUndefined();
      expect(moved.keys.sort()).toEqual([...keys].sort());
      expect((await readOn(one, moved.cursor)).keys).toEqual([]);
      const late = await startTierServers(engine.cluster.addresses, 1);
      expect((await readOn(late.nextClient(), cursor)).keys.sort()).toEqual([...keys].sort());
      await late.stop();
      await stop();
    });

    const serverWith = async (logMaxEvents: number) => {
      const store = tierStoreOver(engine.cluster.addresses, { logMaxEvents });
      await store.start();
      const { client, stop } = await startServer({ store });
      const end = async () => {
        await stop();
        store.close();
      };
      return { client, [Symbol.asyncDispose]: end };
    };

    it("replay more events than are read at once", async () => {
      await using first = await serverWith(4_096);
      const { cursor } = await readOn(first.client, new Uint8Array());
      for (let round = 0; round < WRITES; round++) await set(first.client, "busy");
      await using late = await serverWith(4_096);
      expect((await readOn(late.client, cursor)).keys).toHaveLength(WRITES);
    });

    it("are expired where the engine has dropped what came after them", async () => {
      await using first = await serverWith(16);
      const { cursor } = await readOn(first.client, new Uint8Array());
      for (let round = 0; round < WRITES; round++) await set(first.client, "short");
      await using late = await serverWith(16);
      for (const { client } of [first, late]) {
        expect((await readOn(client, cursor)).gap).toBe(Gap_Reason.CURSOR_EXPIRED);
      }
    });

    it("let a near cache move to another server, which goes on telling it of writes", async () => {
      const { servers, stores, stop } = await startTierServers(engine.cluster.addresses, 2);
      const [one, other] = servers;
      if (one === undefined || other === undefined) throw new Error("there are two servers");
      await set(other.client, "near");
      const cache = new MeshCache({ address: [one.address, other.address], onEvent: () => {} });
      const near = cache.namespace(namespace);
      const readValue = async () => {
        const found = await near.get("near");
        return found.kind === "hit" ? found.value : undefined;
      };
      expect(await readValue()).toBe(1);
      const gone = one.server.drain();
      await other.client.unary(method.set, { namespace, key: "near", value: Buffer.from("2") });
      await eventually(async () => expect(await readValue()).toBe(2));
      await gone;
      await other.client.unary(method.set, { namespace, key: "near", value: Buffer.from("3") });
      await eventually(async () => expect(await readValue()).toBe(3));
      expect(stores.map(({ epoch }) => epoch)).toEqual([stores[0]?.epoch, stores[0]?.epoch]);
      await cache.close({ graceMs: 0 });
      await stop();
    });
  },
  { primaries: 2 },
);
