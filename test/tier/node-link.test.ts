/** When what a node of the engine answers without the library is relied on, and in which order it is asked. */
import { EventEmitter } from "node:events";
import { expect, it } from "vitest";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import type { EngineSocket } from "../../src/tier/engine/socket.ts";
import { LIBRARY_VERSION } from "../../src/tier/library/source.ts";
import { NodeLink } from "../../src/tier/node-link.ts";
import { CommandReader, encodeReply } from "../simulation/tier/resp.ts";
import { loudBoundary } from "../support/loud-boundary.ts";
import { ManualClock } from "../support/manual-clock.ts";

const BEAT_INTERVAL_MS = 100;
const PAUSE_MAX_MS = 500;

/** A primary with the library, which answers when its socket was written to. */
class ScriptedNode extends EventEmitter {
  writableCorked = 0;
  /** By its clock. */
  nowMs = 1_700_000_000_000;
  isSuspect = false;
  /** The commands of each write. */
  readonly writes: string[][] = [];
  readonly #reader = new CommandReader();
  #corked = "";

  setNoDelay(): this {
    return this;
  }

  cork(): void {
    this.writableCorked += 1;
  }

  uncork(): void {
    this.writableCorked -= 1;
    const commands = this.#reader.take(this.#corked);
    this.#corked = "";
    this.writes.push(commands.map((command) => command.slice(0, 2).join(" ")));
    for (const [name = "", called = ""] of commands) {
      const reply = this.#answer(name, called);
      if (reply !== undefined) queueMicrotask(() => this.emit("data", Buffer.from(reply, "latin1")));
    }
  }

  write(bytes: Uint8Array): boolean {
    this.#corked += Buffer.from(bytes).toString("latin1");
    return true;
  }

  destroy(): this {
    return this;
  }

  #answer(name: string, called: string): string | undefined {
    if (name === "TIME") {
      return encodeReply([String(Math.floor(this.nowMs / 1_000)), String((this.nowMs % 1_000) * 1_000)]);
    }
    if (name === "MGET") return encodeReply(["value"]);
    if (name === "INFO") return encodeReply("maxmemory_policy:noeviction\r\n");
    if (name.startsWith("FCALL")) {
      const isSuspect = this.isSuspect && called !== "mc_verify";
      return encodeReply([LIBRARY_VERSION, this.nowMs, 1, isSuspect ? 1 : 0]);
    }
    return name === "HELLO" ? encodeReply([]) : undefined;
  }
}

async function openLink() {
  const node = new ScriptedNode();
  const clock = new ManualClock();
  const { promise: verified, resolve } = Promise.withResolvers<void>();
  const link = new NodeLink(
    { id: "a", endpoint: { host: "127.0.0.1", port: 1 } },
    {
      clock,
      boundary: loudBoundary,
      telemetry: createNoTelemetry(),
      security: { tls: undefined, user: undefined, password: undefined },
      replyMaxMs: 60_000,
      commandsMax: 100,
      bytesMax: 100_000,
      connect: () => node as unknown as EngineSocket,
      confirm: async () => 1,
    },
    { verified: resolve, suspected() {}, message() {}, unsubscribed() {}, closed() {} },
  );
  await verified;
  const time = () => new Promise<number | undefined>((take) => link.timeAfter(take));
  /** Both clocks go on. */
  const pass = (ms: number) => {
    node.nowMs += ms;
    clock.advance(ms);
  };
  return { node, link, time, pass };
}

it("is asked for its time once for all that leaves in a turn, in the same write and behind it", async () => {
  const { node, link } = await openLink();
  node.writes.length = 0;
  const times = await Promise.all(
    ["one", "two"].map(async (key) => {
      link.connection.send(["MGET", key], () => {});
      return await new Promise<number | undefined>((take) => link.timeAfter(take));
    }),
  );
  expect(node.writes).toEqual([["MGET one", "MGET two", "TIME"]]);
  expect(times).toEqual([node.nowMs, node.nowMs]);
});

it("is relied on for as long after its last beat as the library would", async () => {
  const { node, time } = await openLink();
  node.nowMs += PAUSE_MAX_MS;
  expect(await time()).toBe(node.nowMs);
  node.nowMs += 1;
  expect(await time()).toBeUndefined();
});

it("is relied on for as long as its library beats", async () => {
  const { node, time, pass } = await openLink();
  for (let beat = 0; beat < 2 * (PAUSE_MAX_MS / BEAT_INTERVAL_MS); beat++) {
    pass(BEAT_INTERVAL_MS);
    expect(await time()).toBe(node.nowMs);
  }
});

it("is not relied on when its clock was set back behind its last beat", async () => {
  const { node, time } = await openLink();
  node.nowMs -= 1;
  expect(await time()).toBeUndefined();
});

it("is not relied on from the moment that it is suspect until it was verified again", async () => {
  const { node, link, time, pass } = await openLink();
  node.isSuspect = true;
  pass(BEAT_INTERVAL_MS);
  expect(await time()).toBeUndefined();
  while (!link.isVerified) await new Promise(setImmediate);
  expect(await time()).toBe(node.nowMs);
});
