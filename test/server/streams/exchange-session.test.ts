/** The exchange session without a transport: order, pipelining, backpressure, resume, drain. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type BatchResponse,
  ExchangeRequestSchema,
  type ExchangeResponse,
  ExchangeResponseSchema,
  Gap_Reason,
  type OperationSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { encodeExchangeResponse } from "../../../src/codec/event-frames.ts";
import { decodeMessage } from "../../../src/codec/messages.ts";
import type { CacheError } from "../../../src/common/errors.ts";
import { createSeededRng } from "../../../src/common/random.ts";
import { type Limits, resolveLimits } from "../../../src/rpc/limits.ts";
import type { ConnectionMemory } from "../../../src/server/limits/connection-memory.ts";
import { MemoryAccount } from "../../../src/server/limits/memory-account.ts";
import { createHeldTotal } from "../../../src/server/limits/quotas.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { Turns } from "../../../src/server/limits/turns.ts";
import { FRAME_WORK_BYTES } from "../../../src/server/limits/work.ts";
import {
  createExchangeSession,
  type ExchangeLimits,
  type ExchangeSession,
} from "../../../src/server/streams/exchange-session.ts";
import type { Store } from "../../../src/store/api/store.ts";
import { createStore } from "../../../src/store/engine/create-store.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

type Frame = NonNullable<MessageInitShape<typeof ExchangeRequestSchema>["frame"]>;
type Operation = NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>;

const NAMESPACE = "n";
const value = Buffer.from("v");
const open: Frame = { case: "open", value: { clientId: "me" } };
const subscribe = (
  namespace = NAMESPACE,
  cursor: Uint8Array = new Uint8Array(),
  prefixes: string[] = [],
): Frame => ({
  case: "subscription",
  value: { selectors: [{ namespace, prefixes }], cursor: Uint8Array.from(cursor) },
});
const set = (key: string): Frame => ({
  case: "batch",
  value: { namespace: NAMESPACE, operations: [{ operation: { case: "set", value: { key, value } } }] },
});
const lease = (key: string, waitMs: number): Frame => ({
  case: "batch",
  value: { namespace: NAMESPACE, operations: [{ operation: { case: "lease", value: { key, waitMs } } }] },
});
const get = (key: string): Operation => ({ case: "get", value: { key } });
const batchOf = (...operations: Operation[]): Frame => ({
  case: "batch",
  value: { namespace: NAMESPACE, operations: operations.map((operation) => ({ operation })) },
});
const ping = (nonce: bigint): Frame => ({ case: "ping", value: { nonce } });

interface Harness {
  readonly store: Store;
  readonly session: ExchangeSession;
  readonly sent: ExchangeResponse[];
  /** How the session ended the stream. */
  readonly ends: (CacheError | undefined)[];
  /** How many frames the sink takes before it is full. */
  room: number;
  /** Sends a frame under the next id. */
  send(frame: Frame): void;
  /** A summary of each frame that was sent since the last call. */
  newFrames(): string[];
  /** Runs the deferred functions. */
  turn(): void;
}

function harness(
  options: {
    store?: Store;
    limits?: Partial<Limits>;
    transport?: Partial<ExchangeLimits>;
    /** Encodes every frame when it is sent, as the server does. */
    sinkEncodes?: boolean;
    /** Default: turns are not bounded. */
    memory?: ConnectionMemory;
  } = {},
): Harness {
  const clock = new ManualClock();
  const store = options.store ?? createStore({ clock, rng: createSeededRng(1), shards: 2, logMaxEvents: 64 });
  const sent: ExchangeResponse[] = [];
  const ends: (CacheError | undefined)[] = [];
  let deferred: (() => void)[] = [];
  let told = 0;
  let id = 0n;
  const { sinkEncodes = false } = options;
  const session = createExchangeSession(
    {
      store,
      limits: resolveLimits(options.limits),
      transport: { ...resolveTransportLimits(), ...options.transport },
      telemetry: createNoTelemetry(),
      defer: (run) => deferred.push(run),
      sinkEncodes,
      ...(options.memory !== undefined && { memory: options.memory }),
    },
    {
      send(frame) {
        sent.push(sinkEncodes ? asEncoded(frame) : frame);
        self.room -= 1;
        return self.room > 0;
      },
      end: (error) => ends.push(error),
    },
  );
  const self: Harness = {
    store,
    session,
    sent,
    ends,
    room: Number.POSITIVE_INFINITY,
    send(frame) {
      id += 1n;
      session.receive(create(ExchangeRequestSchema, { id, frame }));
    },
    newFrames() {
      const fresh = sent.slice(told).map(summary);
      told = sent.length;
      return fresh;
    },
    turn() {
      const due = deferred;
      deferred = [];
      for (const run of due) run();
    },
  };
  return self;
}

const asEncoded = (frame: ExchangeResponse): ExchangeResponse =>
  decodeMessage(ExchangeResponseSchema, Buffer.from(encodeExchangeResponse(frame).message));

function summary({ id, frame, more }: ExchangeResponse): string {
  switch (frame.case) {
    case "events":
      return frame.value.events.map((event) => `${event.origin}:${event.target.value}`).join(" ");
    case "batch":
      return `${id} ${frame.value.results.map(({ result }) => result.case).join(" ")}${more ? " ..." : ""}`;
    case "gap":
      return `gap ${frame.value.reason}`;
    case "progress":
      return frame.value.nonce === 0n ? "progress" : `${id} progress ${frame.value.nonce}`;
    default:
      return id === 0n ? String(frame.case) : `${id} ${frame.case}`;
  }
}

function writeElsewhere({ store }: Harness, key: string, valueBytes = 1): void {
  store.set({
    namespace: NAMESPACE,
    key,
    value: new Uint8Array(valueBytes),
    ttlMs: 0,
    staleMs: 0,
    tags: [],
    contentType: "",
    contentEncoding: "",
    absent: false,
    sourceVersion: 0n,
    condition: { kind: "always" },
    requestId: 0n,
    writer: { origin: "other", traceparent: "" },
  });
}

describe("an exchange", () => {
  it("answers frames in their order and numbers its own frames without gaps", () => {
    const h = harness();
    for (const frame of [open, subscribe(), set("a"), ping(7n), set("b")]) h.send(frame);
    expect(h.newFrames()).toEqual([
      "1 opened",
      "2 opened",
      "progress",
      "me:a",
      "3 set",
      "4 progress 7",
      "me:b",
      "5 set",
    ]);
    expect(h.sent.map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]);
  });

  it("sends the events of others before a response that may reflect them", () => {
    const h = harness();
    h.send(open);
    h.send(subscribe());
    h.newFrames();
    writeElsewhere(h, "theirs");
    h.send(set("mine"));
    expect(h.newFrames()).toEqual(["other:theirs", "me:mine", "3 set"]);
  });

  it("sends events without a request, in a deferred turn", () => {
    const h = harness();
    h.send(open);
    h.send(subscribe());
    h.newFrames();
    writeElsewhere(h, "k");
    expect(h.newFrames()).toEqual([]);
    h.turn();
    expect(h.newFrames()).toEqual(["other:k"]);
  });

  it("answers requests that can be answered while a lease waits", () => {
    const h = harness();
    h.send(open);
    h.send(lease("k", 0));
    h.send(lease("k", 10_000));
    h.send(set("other"));
    expect(h.newFrames()).toEqual(["1 opened", "2 lease", "4 set"]);
    h.send(set("k"));
    expect(h.newFrames()).toEqual(["3 lease", "5 set"]);
  });

  it("answers a waiting lease when another caller stores the value", () => {
    const h = harness();
    h.send(open);
    h.send(lease("k", 0));
    h.send(lease("k", 10_000));
    h.newFrames();
    writeElsewhere(h, "k");
    h.turn();
    expect(h.newFrames()).toEqual(["3 lease"]);
  });

  it("cancels waits for leases when it is closed", () => {
    const h = harness();
    h.send(open);
    h.send(lease("k", 0));
    h.send(lease("k", 10_000));
    h.session.close();
    h.newFrames();
    writeElsewhere(h, "k");
    h.turn();
    expect(h.newFrames()).toEqual([]);
    expect(h.store.counters.leasesShared).toBe(0);
  });

  it("refuses more waiting batches than exchangeMaxWaitingBatches, and goes on", () => {
    const h = harness({ transport: { exchangeMaxWaitingBatches: 1 } });
    h.send(open);
    h.send(lease("k", 0));
    h.send(lease("k", 10_000));
    h.send(lease("k", 10_000));
    h.send(set("other"));
    expect(h.newFrames()).toEqual(["1 opened", "2 lease", "4 error", "5 set"]);
  });

  it("lets four batches of several operations wait, and refuses a fifth", () => {
    const h = harness();
    const waitingLease: Operation = { case: "lease", value: { key: "k", waitMs: 10_000 } };
    h.send(open);
    h.send(lease("k", 0));
    for (let sent = 0; sent < 5; sent += 1) h.send(batchOf(get("other"), waitingLease));
    h.send(lease("k", 10_000));
    expect(h.newFrames()).toEqual(["1 opened", "2 lease", "7 error"]);
    h.send(set("k"));
    h.turn();
    expect(h.newFrames()).toHaveLength(6);
    h.send(batchOf(get("other"), get("k")));
    expect(h.newFrames()).toHaveLength(1);
  });
});

describe("a frame", () => {
  it("that is refused is answered with an error, and the stream goes on", () => {
    const h = harness();
    h.send(open);
    h.send(open);
    h.send(ping(0n));
    h.send({ case: "batch", value: { operations: [] } });
    h.send({ case: undefined });
    h.send(subscribe("A"));
    h.send({ case: "ack", value: { cursor: new Uint8Array(3) } });
    h.send(subscribe());
    h.send({ case: "ack", value: { cursor: new Uint8Array(3) } });
    h.send(subscribe(NAMESPACE, new Uint8Array(3)));
    h.send(ping(1n));
    expect(h.newFrames()).toEqual([
      "1 opened",
      "2 error",
      "3 error",
      "4 error",
      "5 error",
      "6 error",
      "8 opened",
      "progress",
      "9 error",
      "10 error",
      "11 progress 1",
    ]);
    expect(h.ends).toEqual([]);
  });

  it("ends the stream when it comes before Open", () => {
    const h = harness();
    h.send(ping(1n));
    expect(h.newFrames()).toEqual([]);
    expect(h.ends).toMatchObject([{ reason: "FIELD_INVALID", detail: { field: "frame" } }]);
  });

  it("ends the stream when its id is not greater than the last one", () => {
    const h = harness();
    h.send(open);
    h.session.receive(create(ExchangeRequestSchema, { id: 1n, frame: ping(1n) }));
    expect(h.ends).toMatchObject([{ reason: "FIELD_INVALID", detail: { field: "id" } }]);
    h.send(ping(1n));
    expect(h.newFrames()).toEqual(["1 opened"]);
  });
});

describe("backpressure", () => {
  it("takes no request while the sink is full, and takes all of them in order afterwards", () => {
    const h = harness();
    h.room = 1;
    h.send(open);
    h.send(set("a"));
    h.send(set("b"));
    expect(h.session.paused()).toBe(true);
    expect(h.newFrames()).toEqual(["1 opened"]);
    expect(h.store.counters.sets).toBe(0);
    h.room = 1;
    h.session.drained();
    expect(h.newFrames()).toEqual(["2 set"]);
    h.room = 10;
    h.session.drained();
    expect(h.newFrames()).toEqual(["3 set"]);
    expect(h.session.paused()).toBe(false);
  });

  it("leaves events in the logs while the sink is full, and sends one Gap after an overrun", () => {
    const h = harness();
    h.send(open);
    h.send(subscribe());
    h.newFrames();
    h.room = 1;
    writeElsewhere(h, "first");
    h.turn();
    expect(h.newFrames()).toEqual(["other:first"]);
    for (let n = 0; n < 1_000; n++) writeElsewhere(h, `k${n}`);
    h.turn();
    expect(h.newFrames()).toEqual([]);
    h.room = 100;
    h.session.drained();
    expect(h.newFrames()).toEqual([`gap ${Gap_Reason.OVERRUN}`]);
    writeElsewhere(h, "after");
    h.turn();
    expect(h.newFrames()).toEqual(["other:after"]);
  });
});

describe("a batch whose results exceed a frame", () => {
  const limits = { sendMaxBytes: 3_000, valueMaxBytes: 2_000, receiveMaxBytes: 4_000 };

  it("is answered in several frames, in the order of its operations", () => {
    const h = harness({ limits });
    writeElsewhere(h, "k", 1_000);
    h.send(open);
    h.send(batchOf(get("k"), get("k"), get("missing"), get("k"), get("k")));
    expect(h.newFrames()).toEqual(["1 opened", "2 get get get ...", "2 get get"]);
    expect(h.sent.map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n]);
    const frames = h.sent.map((frame) => encodeExchangeResponse(frame).message.length);
    expect(Math.max(...frames)).toBeLessThanOrEqual(limits.sendMaxBytes);
  });

  it("runs no more operations than the sink takes results of", () => {
    const h = harness({ transport: { frameMaxBytes: 1_500 } });
    writeElsewhere(h, "k", 1_000);
    h.send(open);
    h.room = 1;
    h.send(batchOf(...Array.from({ length: 6 }, () => get("k"))));
    expect(h.newFrames()).toEqual(["1 opened", "2 get get ..."]);
    expect(h.store.counters.hits).toBe(2);
    expect(h.session.paused()).toBe(true);
    h.room = 10;
    h.session.drained();
    expect(h.newFrames()).toEqual(["2 get get ...", "2 get get"]);
    expect(h.session.paused()).toBe(false);
  });

  it("sends events before the chunk that reflects them, also between two chunks", () => {
    const h = harness({ transport: { frameMaxBytes: 300 } });
    h.send(open);
    h.send(subscribe());
    h.newFrames();
    h.room = 2;
    const sets = ["a", "b", "c", "d"].map((key) => ({ case: "set" as const, value: { key, value } }));
    h.send(batchOf(...sets));
    expect(h.newFrames()).toEqual(["me:a me:b me:c", "3 set set set ..."]);
    writeElsewhere(h, "between");
    h.room = 10;
    h.session.drained();
    expect(h.newFrames()).toEqual(["other:between", "me:d", "3 set"]);
  });

  it("is answered whole before the next request", () => {
    const h = harness({ transport: { frameMaxBytes: 1 } });
    h.send(open);
    h.room = 1;
    h.send(batchOf(get("k"), get("k")));
    h.send(ping(1n));
    h.room = 10;
    h.session.drained();
    expect(h.newFrames()).toEqual(["1 opened", "2 get ...", "2 get", "3 progress 1"]);
  });

  it("runs no further operations when the stream is closed", () => {
    const h = harness({ transport: { frameMaxBytes: 1 } });
    h.send(open);
    h.room = 1;
    h.send(batchOf(get("k"), get("k"), get("k")));
    h.session.close();
    h.session.drained();
    expect(h.newFrames()).toEqual(["1 opened", "2 get ..."]);
    expect(h.store.counters.misses).toBe(1);
  });

  it("is answered whole before a half-closed stream ends", () => {
    const h = harness({ transport: { frameMaxBytes: 1 } });
    h.send(open);
    h.room = 1;
    h.send(batchOf(get("k"), get("k")));
    h.session.halfClosed();
    expect(h.ends).toEqual([]);
    h.room = 10;
    h.session.drained();
    expect(h.newFrames()).toEqual(["1 opened", "2 get ...", "2 get"]);
    expect(h.ends).toEqual([undefined]);
  });

  it("gets an error for a result that is too large for any message", () => {
    const h = harness({ limits: { ...limits, sendMaxBytes: 2_000 } });
    writeElsewhere(h, "k", 2_000);
    h.send(open);
    h.send(batchOf(get("missing"), get("k"), get("missing")));
    expect(h.newFrames()).toEqual(["1 opened", "2 get error get"]);
    const answer = h.sent[1]?.frame.value as BatchResponse;
    expect(answer.results[1]?.result.value).toMatchObject({ code: 8 });
  });

  it("is answered in one frame when an operation may wait, with an error for each result without room", () => {
    const h = harness({ limits });
    writeElsewhere(h, "k", 1_000);
    h.send(open);
    h.send(lease("fills", 0));
    const waits = { case: "lease" as const, value: { key: "fills", waitMs: 10_000 } };
    h.send(batchOf(waits, get("k"), get("k"), get("k")));
    h.send(set("fills"));
    expect(h.newFrames()).toEqual(["1 opened", "2 lease", "3 lease get error error", "4 set"]);
  });
});

describe("a subscription", () => {
  it("has its new selectors from Opened on", () => {
    const h = harness();
    h.send(open);
    h.send(subscribe(NAMESPACE, new Uint8Array(), ["a/"]));
    h.newFrames();
    writeElsewhere(h, "a/1");
    writeElsewhere(h, "b/1");
    h.send(subscribe(NAMESPACE, new Uint8Array(), ["b/"]));
    writeElsewhere(h, "a/2");
    writeElsewhere(h, "b/2");
    h.turn();
    expect(h.newFrames()).toEqual(["other:a/1", "3 opened", "progress", "other:b/2"]);
  });

  it("without selectors sends no events", () => {
    const h = harness();
    h.send(open);
    h.send(subscribe());
    h.send({ case: "subscription", value: {} });
    h.newFrames();
    writeElsewhere(h, "k");
    h.turn();
    expect(h.newFrames()).toEqual([]);
  });

  it("resumes from a cursor without a lost or a repeated event", () => {
    const h = harness();
    h.send(open);
    h.send(subscribe());
    writeElsewhere(h, "seen");
    h.turn();
    const last = h.sent.at(-1)?.frame;
    const cursor = last?.case === "events" ? last.value.cursor : new Uint8Array();
    h.session.close();
    writeElsewhere(h, "missed");
    const next = harness({ store: h.store });
    next.send(open);
    next.send(subscribe(NAMESPACE, cursor));
    expect(next.newFrames()).toEqual(["1 opened", "2 opened", "other:missed", "progress"]);
  });

  it("begins with a Gap when the events after its cursor are no longer kept", () => {
    const h = harness();
    h.send(open);
    h.send(subscribe());
    const last = h.sent[1]?.frame;
    const cursor = last?.case === "opened" ? last.value.cursor : new Uint8Array();
    for (let n = 0; n < 1_000; n++) writeElsewhere(h, `k${n}`);
    const next = harness({ store: h.store });
    next.send(open);
    next.send(subscribe(NAMESPACE, cursor));
    expect(next.newFrames()).toEqual(["1 opened", "2 opened", `gap ${Gap_Reason.CURSOR_EXPIRED}`]);
  });
});

describe("the end of an exchange", () => {
  it("is announced by Draining, and running batches are still answered", () => {
    const h = harness();
    h.send(open);
    h.send(lease("k", 0));
    h.send(lease("k", 10_000));
    h.session.drain();
    h.send(set("k"));
    expect(h.newFrames()).toEqual(["1 opened", "2 lease", "draining", "3 lease", "4 set"]);
    expect(h.ends).toEqual([]);
  });

  it("comes when the client has half closed and everything is answered", () => {
    const h = harness();
    h.send(open);
    h.send(lease("k", 0));
    h.send(lease("k", 10_000));
    h.session.halfClosed();
    expect(h.ends).toEqual([]);
    writeElsewhere(h, "k");
    h.turn();
    expect(h.newFrames()).toEqual(["1 opened", "2 lease", "3 lease"]);
    expect(h.ends).toEqual([undefined]);
  });
});

describe("values in memory that is reused", () => {
  const filled = (key: string, bytes: number): Uint8Array => Buffer.alloc(bytes, key);
  const keys = ["a", "b", "c"];
  const bytesOf = (key: string): number => 1 + keys.indexOf(key) * 700;
  const fill = (store: Store, key: string, bytes: number) =>
    store.set({
      namespace: NAMESPACE,
      key,
      value: filled(key, bytes),
      ttlMs: 0,
      staleMs: 0,
      tags: [],
      contentType: "",
      contentEncoding: "",
      absent: false,
      sourceVersion: 0n,
      condition: { kind: "always" },
      requestId: 0n,
      writer: { origin: "other", traceparent: "" },
    });
  const expectIntact = (h: Harness): number => {
    let hits = 0;
    for (const { frame } of h.sent) {
      if (frame.case !== "batch") continue;
      for (const { result } of frame.value.results) {
        if (result.case !== "get" && result.case !== "lease") continue;
        const { outcome } = result.value;
        if (outcome.case !== "hit") continue;
        hits += 1;
        const { value: found } = outcome.value;
        const [first = 0] = found;
        expect(found.every((byte) => byte === first)).toBe(true);
        expect(found.length).toBe(bytesOf(String.fromCharCode(first)));
      }
    }
    return hits;
  };

  it("are intact in every answer of sessions that answer in turns and in chunks", () => {
    const step = fc.record({
      session: fc.nat(2),
      keys: fc.array(fc.constantFrom(...keys), { minLength: 1, maxLength: 12 }),
      room: fc.nat(3),
    });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.constantFrom(1, 1_500, 1 << 18),
        (steps, frameMaxBytes) => {
          const limits = { sendMaxBytes: 3_000, valueMaxBytes: 2_000, receiveMaxBytes: 4_000 };
          const store = createStore({ clock: new ManualClock(), rng: createSeededRng(1), shards: 2 });
          for (const key of keys) fill(store, key, bytesOf(key));
          const sessions = Array.from({ length: 3 }, () =>
            harness({ store, limits, transport: { frameMaxBytes }, sinkEncodes: true }),
          );
          for (const h of sessions) h.send(open);
          let asked = 0;
          for (const { session, keys: some, room } of steps) {
            const h = sessions[session];
            if (h === undefined) continue;
            asked += some.length;
            h.room = room;
            h.send(batchOf(...some.map(get)));
          }
          for (const h of sessions) {
            h.room = Number.POSITIVE_INFINITY;
            h.session.drained();
          }
          expect(sessions.reduce((sum, h) => sum + expectIntact(h), 0)).toBe(asked);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("do not change in the answer to another caller whose wait the batch ends", () => {
    const store = createStore({ clock: new ManualClock(), rng: createSeededRng(1), shards: 2 });
    fill(store, "b", bytesOf("b"));
    const [holder, waiter, setter] = Array.from({ length: 3 }, () => harness({ store, sinkEncodes: true }));
    if (holder === undefined || waiter === undefined || setter === undefined) throw new Error("three");
    for (const h of [holder, waiter, setter]) h.send(open);
    holder.send(lease("c", 0));
    waiter.send(lease("c", 1_000));
    const value = filled("c", bytesOf("c"));
    setter.send(batchOf(get("b"), { case: "set", value: { key: "c", value } }, get("b"), get("b")));
    setter.send(batchOf(get("b"), get("b"), get("b")));
    waiter.turn();
    expect(expectIntact(setter)).toBe(6);
    expect(waiter.newFrames()).toEqual(["1 opened", "2 lease"]);
    expect(expectIntact(waiter)).toBe(1);
  });
});

describe("A4: frames that arrive together", () => {
  const FRAMES_PER_TURN = 10;
  const kinds: readonly (readonly [string, bigint, number])[] = [
    ["are answered some in each turn", 1n, FRAMES_PER_TURN],
    ["cost more when they are answered by errors", 0n, FRAMES_PER_TURN / 2],
  ];

  it.each(kinds)("%s, in their order", (_, nonce, mostPerTurn) => {
    let next: (() => void)[] = [];
    const turns = new Turns(FRAMES_PER_TURN * FRAME_WORK_BYTES, new ManualClock(), loudBoundary, (run) =>
      next.push(run),
    );
    const account = new MemoryAccount(resolveTransportLimits(), createHeldTotal(), loudBoundary, turns);
    const { send, sent } = harness({ memory: account.of(undefined) });
    send(open);
    for (let frame = 0; frame < 35; frame++) send(ping(nonce));
    const counts = [0, sent.length];
    while (next.length > 0) {
      const due = next;
      next = [];
      for (const run of due) run();
      counts.push(sent.length);
    }
    const perTurn = counts.map((count, turn) => count - (counts[turn - 1] ?? 0));
    expect(Math.max(...perTurn.slice(1))).toBeLessThanOrEqual(mostPerTurn);
    expect(sent.map(({ id }) => Number(id))).toEqual(
      Array.from({ length: 36 }, (_frame, index) => index + 1),
    );
  });
});
