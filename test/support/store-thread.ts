/**
 * A thread that uses a store at the same time as other threads, and checks every answer against what all
 * threads know to have happened. Run as a worker by test/store/api/threads.test.ts.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { createSeededRng } from "../../src/common/random.ts";
import type { LeaseResult, Stamp } from "../../src/store/api/store.ts";
import { attachStore, type StoreMemory } from "../../src/store/engine/create-store.ts";

export interface StoreThreadData {
  readonly memory: StoreMemory;
  readonly self: number;
  readonly count: number;
  /** By thread, without the own thread. */
  readonly ports: readonly (MessagePort | undefined)[];
  readonly seed: number;
  /** Taken before the first thread began. */
  readonly cursor: Uint8Array;
  readonly operations: number;
  /** By key: the latest revision at which some thread knows that the key was set or invalidated. */
  readonly known: SharedArrayBuffer;
}

export type StoreThreadReport =
  | { readonly kind: "done"; readonly sets: number; readonly waits: number }
  | { readonly kind: "caughtUp"; readonly events: number; readonly gaps: number };

export interface FinalRevisions {
  readonly revisions: readonly number[];
}

export const NAMESPACE = "n";
export const KEYS = 300;
const TAGS = 5;
const HOT_KEYS = 4;
const BURST = 40;
const writer = { origin: "", traceparent: "" };
const always = { kind: "always" } as const;

const tagOf = (key: number): string => `tag${key % TAGS}`;

function main({ memory, self, count, ports, seed, cursor, operations, known }: StoreThreadData): void {
  const rng = createSeededRng(seed * 1_000 + self);
  const below = (end: number): number => Math.floor(rng.fraction() * end);
  const store = attachStore(memory, {
    threads: { self, count, send: (thread, message) => ports[thread]?.postMessage(message) },
  });
  for (const port of ports) port?.on("message", (message) => store.receive(message));
  const revisions = new Int32Array(known);

  /** What is known now must be true for every later answer. */
  const learn = (key: number, revision: number): void => {
    for (let old = Atomics.load(revisions, key); old < revision; old = Atomics.load(revisions, key)) {
      Atomics.compareExchange(revisions, key, old, revision);
    }
  };

  // ---- Events: read only when woken ---------------------------------------------------------------
  const seen = memory.shards.map(() => 0);
  let events = 0;
  let gaps = 0;
  let final: readonly number[] | undefined;
  const pump = (): void => {
    while (subscriber.behind()) {
      const read = subscriber.read(200, 100_000);
      if (read === undefined) continue;
      if (read.kind === "gap") {
        gaps++;
        continue;
      }
      for (const { shard, revision } of read.events) {
        const last = seen[shard] ?? 0;
        if (revision !== last && revision !== last + 1) {
          throw new Error(`seed ${seed}: revision ${revision} of shard ${shard} came after ${last}`);
        }
        seen[shard] = revision;
        events++;
      }
    }
    reportWhenCaughtUp();
  };
  let pumping = false;
  const subscriber = store.subscribe([{ namespace: NAMESPACE, prefixes: [] }], cursor, () => {
    if (pumping) return;
    pumping = true;
    setImmediate(() => {
      pumping = false;
      pump();
    });
  });
  const reportWhenCaughtUp = (): void => {
    if (final?.every((revision, shard) => seen[shard] === revision) !== true) return;
    const report: StoreThreadReport = { kind: "caughtUp", events, gaps };
    parentPort?.postMessage(report);
    for (const port of ports) port?.close();
    parentPort?.close();
  };

  // ---- Operations ---------------------------------------------------------------------------------------------------
  let sets = 0;
  let waits = 0;
  let outstanding = 0;

  /** A value begins with its key and its length. All other bytes are equal, so that a torn value is recognised. */
  const newValue = (key: number): Uint8Array => {
    const length = 8 + (below(8) === 0 ? below(9_000) : below(200));
    const value = new Uint8Array(length).fill(below(256));
    new DataView(value.buffer).setUint16(0, key);
    new DataView(value.buffer).setUint32(2, length);
    return value;
  };
  const check = (key: number, value: Uint8Array): void => {
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const whole = value.subarray(6).every((byte) => byte === value[6]);
    if (view.getUint16(0) !== key || view.getUint32(2) !== value.length || !whole) {
      throw new Error(`seed ${seed}: the value of key ${key} is torn`);
    }
  };
  const set = (key: number, token?: bigint): void => {
    const result = store.set({
      namespace: NAMESPACE,
      key: `${key}`,
      value: newValue(key),
      ttlMs: below(20) === 0 ? 5 : 0,
      staleMs: 0,
      tags: [tagOf(key)],
      contentType: "",
      contentEncoding: "",
      absent: false,
      sourceVersion: 0n,
      condition: token === undefined ? always : { kind: "lease", token },
      requestId: 0n,
      writer,
    });
    if (result.kind !== "stored") return;
    sets++;
    learn(key, result.version);
  };
  const get = (key: number): void => {
    const atLeast = Atomics.load(revisions, key);
    const result = store.get({
      namespace: NAMESPACE,
      key: `${key}`,
      ifVersion: 0,
      ifEpoch: 0n,
      allowStale: false,
    });
    if (result.kind !== "hit") return;
    check(key, result.entry.value);
    if (result.entry.version < atLeast) {
      throw new Error(`seed ${seed}: key ${key} is at ${result.entry.version} after ${atLeast}`);
    }
  };
  const learnOf = (stamps: readonly Stamp[], some: readonly number[]): void => {
    for (const key of some) {
      const shard = store.shardOf(NAMESPACE, `${key}`);
      const stamp = stamps.find((one) => one.shard === shard);
      if (stamp !== undefined) learn(key, stamp.revision);
    }
  };
  const invalidate = (): void => {
    const common = { namespace: NAMESPACE, soft: false, sourceVersion: 0n, writer };
    const key = below(KEYS);
    switch (below(3)) {
      case 0:
        learnOf(store.invalidate({ ...common, target: { kind: "keys", keys: [`${key}`] } }).stamps, [key]);
        return;
      case 1: {
        const { stamps } = store.invalidate({ ...common, target: { kind: "tags", tags: [tagOf(key)] } });
        learnOf(
          stamps,
          allKeys.filter((one) => tagOf(one) === tagOf(key)),
        );
        return;
      }
      default: {
        const prefix = `${key}`;
        const { stamps } = store.invalidate({ ...common, target: { kind: "prefix", prefix } });
        learnOf(
          stamps,
          allKeys.filter((one) => `${one}`.startsWith(prefix)),
        );
      }
    }
  };
  const settled = (key: number, result: LeaseResult): void => {
    if (result.kind === "granted") setImmediate(() => set(key, result.token));
    else if (result.kind === "hit") check(key, result.entry.value);
  };
  const lease = (): void => {
    const key = below(HOT_KEYS);
    waits++;
    outstanding++;
    let answered = false;
    const answer = (result: LeaseResult): void => {
      if (answered) throw new Error(`seed ${seed}: a wait ended twice`);
      answered = true;
      outstanding--;
      settled(key, result);
    };
    const command = { namespace: NAMESPACE, key: `${key}`, waitMs: 300, leaseMs: 100 };
    const result = store.lease(command, answer);
    if (result.kind !== "waiting") answer(result);
    else if (below(10) === 0) {
      result.cancel();
      answered = true;
      outstanding--;
    }
  };

  const operate = (): void => {
    const choice = below(100);
    if (choice < 55) get(below(KEYS));
    else if (choice < 85) set(below(KEYS));
    else if (choice < 90) invalidate();
    else lease();
  };
  let left = operations;
  const turn = (): void => {
    for (let count = 0; count < BURST && left > 0; count++, left--) operate();
    store.maintain(64);
    if (left > 0 || outstanding > 0) {
      setImmediate(turn);
      return;
    }
    // One turn later every granted lease has been used by a Set.
    setImmediate(() => {
      const report: StoreThreadReport = { kind: "done", sets, waits };
      parentPort?.postMessage(report);
    });
  };
  parentPort?.once("message", (message: FinalRevisions) => {
    final = message.revisions;
    reportWhenCaughtUp();
  });
  pump();
  setImmediate(turn);
}

const allKeys = Array.from({ length: KEYS }, (_, key) => key);

if (parentPort !== null) main(workerData);
