/** Stream over real gRPC: resuming at every index, slow and stalled readers, progress. */
import { once } from "node:events";
import type { ClientHttp2Stream } from "node:http2";
import { setImmediate as nextTurn } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import type { ClientReadableStream } from "@grpc/grpc-js";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  CacheService,
  type Event,
  Gap_Reason,
  StreamRequestSchema,
  type StreamResponse,
  StreamResponseSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { decodeMessage, encodeMessage } from "../../../src/codec/messages.ts";
import type { CacheError } from "../../../src/common/errors.ts";
import { createSeededRng } from "../../../src/common/random.ts";
import type { ServiceClient } from "../../../src/rpc/client.ts";
import { resolveLimits } from "../../../src/rpc/limits.ts";
import { createStore } from "../../../src/server/index.ts";
import { MemoryAccount } from "../../../src/server/limits/memory-account.ts";
import { createHeldTotal, createProcessBounds } from "../../../src/server/limits/quotas.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { openStream } from "../../../src/server/streams/event-stream.ts";
import { createStreamRegistry } from "../../../src/server/streams/stream-registry.ts";
import type { Store } from "../../../src/store/api/store.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { connectRaw, framed, unframed } from "../../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { testProxy } from "../../support/test-workers.ts";

const { method } = CacheService;
const namespace = "stream";
let running: RunningServer | undefined;

async function start(options: Parameters<typeof startServer>[0]): Promise<RunningServer> {
  running = await startServer(options);
  return running;
}

afterEach(() => running?.stop());

type Frames = ClientReadableStream<StreamResponse>;

function startStream(client: ServiceClient, cursor: Uint8Array = new Uint8Array()): Frames {
  const stream = client.serverStream(method.stream, { namespace, cursor: Uint8Array.from(cursor) });
  stream.on("error", () => {});
  return stream;
}

async function readUntil(frames: Frames, done: (frame: StreamResponse["frame"]) => boolean) {
  const read: StreamResponse["frame"][] = [];
  for await (const { frame } of frames) {
    read.push(frame);
    if (done(frame)) break;
  }
  return read;
}

const isProgress = (frame: StreamResponse["frame"]) => frame.case === "progress";
const eventsOf = (frames: readonly StreamResponse["frame"][]): Event[] =>
  frames.flatMap((frame) => (frame.case === "events" ? frame.value.events : []));
const nameOf = ({ stamp, target, kind }: Event) =>
  `${stamp?.shard}/${stamp?.revision} ${target.value} ${kind}`;

/** Every kind of mutation, from a fixed seed. */
async function mutate(client: ServiceClient, count: number): Promise<void> {
  const rng = createSeededRng(7);
  for (let n = 0; n < count; n++) {
    const key = `k${Math.floor(rng.fraction() * 8)}`;
    const chance = rng.fraction();
    if (chance < 0.6)
      await client.unary(method.set, { namespace, key, value: Buffer.from("v"), ttlMs: 60_000n });
    else if (chance < 0.7) await client.unary(method.touch, { namespace, key, ttlMs: 60_000n });
    else if (chance < 0.85) {
      const keys = [key, `${key}/other`];
      await client.unary(method.invalidate, { namespace, target: { case: "keys", value: { keys } } });
    } else if (chance < 0.95) {
      await client.unary(method.invalidate, {
        namespace,
        target: { case: "tags", value: { tags: ["a", "b"] } },
      });
    } else await client.unary(method.invalidate, { namespace, target: { case: "prefix", value: "k" } });
  }
}

describe("a stream that is cut after any event", () => {
  it("resumes without a lost or a repeated event", async () => {
    const { client, server } = await start({
      transport: { frameMaxEvents: 1 },
      store: createStore({ shards: 3, rng: createSeededRng(1) }),
    });
    const [opened] = await readUntil(startStream(client), isProgress);
    const origin = opened?.case === "opened" ? opened.value.cursor : new Uint8Array();
    await mutate(client, 60);
    const history = await readUntil(startStream(client, origin), isProgress);
    const expected = eventsOf(history).map(nameOf);
    expect(expected.length).toBeGreaterThan(80);
    expect(new Set(expected).size).toBe(expected.length);
    const frameCount = history.filter((frame) => frame.case === "events").length;

    for (let cutAfter = 0; cutAfter <= frameCount; cutAfter++) {
      let seen = 0;
      const before = await readUntil(startStream(client, origin), (frame) => {
        if (frame.case === "events") seen += 1;
        return frame.case === "opened" ? cutAfter === 0 : seen === cutAfter;
      });
      const last = before.at(-1);
      const cursor = last?.case === "events" || last?.case === "opened" ? last.value.cursor : origin;
      const after = await readUntil(startStream(client, cursor), isProgress);
      const names = [...eventsOf(before), ...eventsOf(after)].map(nameOf);
      expect(byShard(names), `cut after ${cutAfter}`).toEqual(byShard(expected));
    }
    expect(server.backend.counters.overruns).toBe(0);
  });
});

/** Events are ordered within a shard only. */
function byShard(names: readonly string[]): Record<string, string[] | undefined> {
  return Object.groupBy(names, (name) => name.slice(0, name.indexOf("/")));
}

// The buffers of these proxies take all that the tests publish, so that the server has no reader that does not read.
describe.skipIf(testProxy === "nginx" || testProxy === "haproxy")("a reader that stops reading", () => {
  it("gets one Gap and uses bounded memory, while 50 others get every event", async () => {
    const started = await start({
      transport: {
        queueMaxBytes: 65_536,
        frameMaxBytes: 16_384,
        flowControlWindowBytes: 65_535,
        stallMaxMs: 120_000,
      },
      store: createStore({ shards: 2, logMaxEvents: 1_000 }),
    });
    const { client, server } = started;
    const others = Array.from({ length: 4 }, () => started.connect());
    const readers = Array.from({ length: 50 }, (_, n) => startStream(others[n % 4] ?? client));
    const seen = readers.map(() => 0);
    readers.forEach((reader, n) => {
      reader.on("data", ({ frame }: StreamResponse) => {
        if (frame.case === "gap") throw new Error("a healthy reader got a gap");
        if (frame.case === "events") seen[n] = (seen[n] ?? 0) + frame.value.events.length;
      });
    });
    const stalled = await stallStream(started.address);
    await Promise.all(readers.map((reader) => once(reader, "metadata")));

    const total = 4_000;
    const padding = "x".repeat(400);
    for (let n = 0; n < total; n++) {
      publish(server.store, `${padding}${n}`);
      if (n % 100 !== 99) continue;
      // The publisher does not wait for readers. But they run in this process too, and need turns of the event loop.
      while (seen.some((count) => count < n - 500)) await nextTurn();
    }
    while (seen.some((count) => count < total)) await nextTurn();

    let body = Buffer.alloc(0);
    let frames: StreamResponse["frame"][] = [];
    for await (const chunk of stalled) {
      body = Buffer.concat([body, chunk]);
      frames = unframed(body).map((message) => decodeMessage(StreamResponseSchema, message).frame);
      if (frames.at(-1)?.case === "gap") break;
    }
    const gaps = frames.flatMap((frame) => (frame.case === "gap" ? [frame.value.reason] : []));
    expect(gaps).toEqual([Gap_Reason.OVERRUN]);
    expect(server.backend.counters.overruns).toBe(1);
    // All that was queued for this reader, of the 1.7 MB that were published, and what a proxy keeps.
    expect(body.length).toBeLessThan(testProxy ? 1024 * 1024 : 300 * 1024);
  });

  it("is cut when it takes nothing for longer than stallMaxMs", async () => {
    const { client, address } = await start({ transport: { stallMaxMs: 500 } });
    const stalled = await stallStream(address);
    const ended = new Promise((resolve) => stalled.once("close", resolve));
    for (let n = 0; n < 4; n++) {
      const keys = Array.from({ length: 1_000 }, (_, index) => `${"x".repeat(500)}${n}/${index}`);
      await client.unary(method.invalidate, { namespace, target: { case: "keys", value: { keys } } });
    }
    const began = performance.now();
    await ended;
    expect(stalled.rstCode).not.toBe(0);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

/** Opens a stream on a connection of its own and reads nothing from it but its headers. */
async function stallStream(address: string): Promise<ClientHttp2Stream> {
  const { open } = await connectRaw(address);
  const stream = open("/meshcache.v1.CacheService/Stream");
  stream.end(framed(encodeMessage(StreamRequestSchema, create(StreamRequestSchema, { namespace }))));
  await once(stream, "response");
  return stream;
}

function publish(store: Store, key: string): void {
  store.invalidate({
    namespace,
    target: { kind: "keys", keys: [key] },
    soft: false,
    sourceVersion: 0n,
    writer: { origin: "", traceparent: "" },
  });
}

describe("a quiet stream", () => {
  it("gets a Progress every progressIntervalMs", async () => {
    const { client } = await start({ transport: { progressIntervalMs: 30 } });
    let progress = 0;
    await readUntil(startStream(client), (frame) => frame.case === "progress" && ++progress === 3);
    expect(progress).toBe(3);
  });
});

describe("openStream()", () => {
  it("leaves no timer behind when a failed read ends the call at once", () => {
    const clock = new ManualClock();
    const store = createStore({ clock, rng: createSeededRng(1) });
    const transport = resolveTransportLimits();
    const streams = createStreamRegistry(transport, createProcessBounds(transport), loudBoundary);
    const ends: (CacheError | undefined)[] = [];
    let close = (): void => {};
    const call = {
      open: true,
      send() {},
      end(error?: CacheError) {
        ends.push(error);
        close();
      },
      readOn() {},
      connectionMemory: new MemoryAccount(transport, createHeldTotal(), loudBoundary).of(undefined),
    };
    const deps = { store, limits: resolveLimits(), clock, telemetry: createNoTelemetry(), streams };
    close = openStream(
      call,
      create(StreamRequestSchema, { namespace }),
      { access: undefined, clientId: "" },
      deps,
    );
    expect(clock.pending).toBe(1);
    for (const subscriber of streams.subscribers) {
      vi.spyOn(subscriber, "behind").mockImplementation(() => {
        throw new Error("a planted fault");
      });
    }
    clock.advance(transport.progressIntervalMs);
    expect(ends).toMatchObject([{ reason: "INTERNAL" }]);
    expect(clock.pending).toBe(0);
    expect([streams.open.size, streams.subscribers.size]).toEqual([0, 0]);
  });
});
