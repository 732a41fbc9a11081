/** The tables of a session's streams: they do what node:http2 uses of a Map and of a Set. */
import { connect, createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { createSeededRng } from "../../src/common/random.ts";
import { PendingStreams, replaceStreamTables } from "../../src/http2/session-streams.ts";
import { StreamTable } from "../../src/http2/stream-table.ts";

const SEED = 20_261_130;

describe("the table of a session's streams", () => {
  it("holds what a Map holds, over ids that come, stay and go", () => {
    const rng = createSeededRng(SEED);
    const table = new StreamTable<object>();
    const map = new Map<number, object>();
    for (let id = 1; id < 20_001; id += 2) {
      const stream = { id };
      table.set(id, stream);
      map.set(id, stream);
      // One in fifty stays for long, and comes in the way of later ones.
      for (const old of [...map.keys()]) {
        if (old % 100 !== 1 && rng.fraction() < 0.1) {
          expect(table.delete(old), `seed ${SEED}`).toBe(map.delete(old));
        }
      }
      const asked = 1 + 2 * Math.floor(rng.fraction() * 10_000);
      expect([table.get(asked), table.size], `seed ${SEED}`).toEqual([map.get(asked), map.size]);
    }
    const visited = new Set<object>();
    table.forEach((stream) => {
      visited.add(stream);
    });
    expect(visited).toEqual(new Set(map.values()));
    visited.clear();
    table.visit((stream) => visited.add(stream));
    expect(visited).toEqual(new Set(map.values()));
  });

  it("says that what is not there cannot be deleted", () => {
    const table = new StreamTable<string>().set(1, "one").set(3, "three").set(1, "other");
    expect([table.delete(5), table.size, table.get(1)]).toEqual([false, 2, "other"]);
  });

  it("visits all that were there, also when each deletes the others", () => {
    const table = new StreamTable<number>();
    for (let id = 1; id < 200; id += 2) table.set(id, id);
    const visited: number[] = [];
    table.forEach((stream) => {
      visited.push(stream);
      for (let id = 1; id < 200; id += 2) table.delete(id);
    });
    expect([visited.length, table.size]).toEqual([100, 0]);
  });
});

describe("the set of streams that have no id yet", () => {
  it("has each once, and visits all that were there", () => {
    const pending = new PendingStreams<string>().add("one").add("one").add("two");
    expect([pending.size, pending.delete("three")]).toEqual([2, false]);
    const visited: string[] = [];
    pending.forEach((stream) => {
      visited.push(stream);
      pending.delete(stream);
    });
    expect([visited, pending.size]).toEqual([["one", "two"], 0]);
  });
});

describe("a session of this version of node:http2", () => {
  it("serves its streams from these tables, and closes those that are open with itself", async () => {
    const server = createServer();
    const opened = new Promise<ServerHttp2Session>((resolve) => {
      server.once("session", (session) => {
        expect(replaceStreamTables(session)).toBe(true);
        // They are no Map and Set of node:http2 any more, and empty.
        expect(replaceStreamTables(session)).toBe(true);
        resolve(session);
      });
    });
    let left: (() => void) | undefined;
    const held = new Promise<void>((resolve) => {
      left = resolve;
    });
    server.on("stream", (stream, headers) => {
      stream.on("close", () => headers[":path"] === "/held" && left?.());
      stream.respond({ ":status": 200 });
      if (headers[":path"] !== "/held") stream.end("answer");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const ask = async (path: string) => {
      const stream = client.request({ ":path": path });
      let text = "";
      for await (const part of stream) text += part;
      return text;
    };
    const waiting = client.request({ ":path": "/held" });
    waiting.on("error", () => {});
    await new Promise((resolve) => waiting.once("response", resolve));
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(Array.from({ length: 30 }, () => ask("/")));
      expect(new Set(answers)).toEqual(new Set(["answer"]));
    }
    const session = await opened;
    expect(replaceStreamTables(session)).toBe(false);
    session.destroy();
    await held;
    client.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
});
