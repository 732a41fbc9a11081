/**
 * Increments of one shard: reads the counter, adds to it and stores the sum in its place, under the lock of the shard.
 * A counter that is there keeps its lifetimes, tags, content type and source version.
 */
import type { IncrementCommand, IncrementRefusal, IncrementResult, Stamp } from "../api/store.ts";
import type { NewTableEntry, TableEntry } from "../api/table.ts";
import { COUNTER } from "../shm/counters.ts";
import { isInt64, readCounter, writeCounter } from "./counter-value.ts";
import { endOf, type ShardEntries } from "./entries.ts";
import type { SetConditions } from "./set-conditions.ts";

/** What an Increment needs of its shard. */
interface IncrementsParts {
  readonly entries: ShardEntries;
  readonly conditions: SetConditions;
  readonly stamp: () => Stamp;
  /** Begins a revision. Returns it. */
  readonly bump: () => number;
  readonly count: (record: number, counter: typeof COUNTER.setsRefused) => void;
  /** Stores the entry in the place of `former`, as an unconditional Set does. */
  readonly put: (
    entry: NewTableEntry,
    hash: number,
    former: TableEntry | undefined,
    command: IncrementCommand,
    nowMs: number,
  ) => void;
}

export class Increments {
  readonly #parts: IncrementsParts;

  constructor(parts: IncrementsParts) {
    this.#parts = parts;
  }

  run(record: number, command: IncrementCommand, hash: number, nowMs: number): IncrementResult {
    const { entries, conditions, stamp, bump, count, put } = this.#parts;
    const found = entries.find(record, command.namespace, command.key, hash, nowMs);
    const fresh = found?.state === "fresh" ? found.entry : undefined;
    const sum = conditions.incrementRefusal(command, fresh) ?? sumOf(command, fresh);
    if (typeof sum === "string") {
      count(record, COUNTER.setsRefused);
      return { kind: "notIncremented", asOf: stamp(), reason: sum };
    }
    const version = bump();
    const entry = toEntry(record, command, fresh, sum, version, nowMs);
    put(entry, hash, found?.entry, command, nowMs);
    return {
      kind: "incremented",
      asOf: stamp(),
      value: sum,
      version,
      ttlRemainingMs: entry.freshUntilMs === Infinity ? 0 : entry.freshUntilMs - nowMs,
      created: fresh === undefined,
    };
  }
}

function sumOf(
  { initial, delta }: IncrementCommand,
  fresh: TableEntry | undefined,
): bigint | IncrementRefusal {
  const value = fresh === undefined ? initial : readCounter(fresh);
  if (value === undefined) return "notACounter";
  const sum = value + delta;
  return isInt64(sum) ? sum : "overflow";
}

function toEntry(
  record: number,
  command: IncrementCommand,
  fresh: TableEntry | undefined,
  value: bigint,
  version: number,
  nowMs: number,
): NewTableEntry {
  const freshUntilMs = fresh?.freshUntilMs ?? endOf(nowMs, command.ttlMs);
  return {
    record,
    namespace: command.namespace,
    key: command.key,
    value: writeCounter(value),
    version,
    sourceVersion: fresh?.sourceVersion ?? 0n,
    freshUntilMs,
    staleUntilMs: fresh?.staleUntilMs ?? freshUntilMs + command.staleMs,
    setAtMs: nowMs,
    absent: false,
    tags: fresh?.tags ?? NO_TAGS,
    contentType: fresh?.contentType ?? "",
    contentEncoding: "",
  };
}

const NO_TAGS: readonly string[] = [];
