/**
 * The invalidation stream of a namespace as rows, the newest last. Rows are kept up to a number; the page is told of them a
 * few times a second however fast they come. A stream that ends is opened again where it was.
 */
import { type ReadonlySignal, signal } from "@preact/signals";
import {
  type Event,
  Event_Kind,
  Gap_Reason,
  type StreamResponse,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Api } from "./api.ts";
import type { Schedule } from "./poll.ts";
import { type Problem, toProblem } from "./problem.ts";

export type TargetKind = "key" | "tag" | "prefix" | "all";

export interface EventRow {
  readonly row: "event";
  /** Of this row alone. */
  readonly number: number;
  readonly atMs: number;
  readonly kind: string;
  readonly targetKind: TargetKind;
  readonly target: string;
  /** How many shards told of it: events of tags, prefixes and namespaces come once for each. */
  readonly shards: number;
  /** The first one's. */
  readonly shard: number;
  readonly revision: bigint;
  readonly origin: string;
  readonly traceparent: string;
}

export interface GapRow {
  readonly row: "gap";
  readonly number: number;
  readonly atMs: number;
  readonly reason: string;
}

export type Row = EventRow | GapRow;

export type StreamState = "idle" | "connecting" | "live" | "paused" | "interrupted";

export interface LiveEvents {
  readonly state: ReadonlySignal<StreamState>;
  readonly problem: ReadonlySignal<Problem | undefined>;
  /** What is kept, oldest first. Replaced, never changed. */
  readonly rows: ReadonlySignal<readonly Row[]>;
  /** All events since `follow`, those included that are kept no more. */
  readonly received: ReadonlySignal<number>;
  readonly gaps: ReadonlySignal<number>;
  /** Begins with a namespace, and forgets what came of another. */
  follow(namespace: string, prefixes: readonly string[]): void;
  /** Ends the stream, and keeps the rows and the place in the events. */
  pause(): void;
  /** Goes on where `pause` or an interruption was. The server says by a gap when it cannot. */
  resume(): void;
  clear(): void;
  stop(): void;
}

export const ROWS_MAX = 5_000;
/** How often the page is told of new rows. */
const TELL_INTERVAL_MS = 100;
const RETRY_MS = 1_000;

const KINDS: Readonly<Record<number, string>> = {
  [Event_Kind.UNSPECIFIED]: "changed",
  [Event_Kind.SET]: "set",
  [Event_Kind.INVALIDATED]: "invalidated",
  [Event_Kind.STALED]: "staled",
  [Event_Kind.TOUCHED]: "touched",
};

/** The words for the kinds of events, for a filter. */
export const EVENT_KINDS: readonly string[] = ["set", "invalidated", "staled", "touched"];

const GAPS: Readonly<Record<number, string>> = {
  [Gap_Reason.UNSPECIFIED]: "the reason is not known",
  [Gap_Reason.CURSOR_EXPIRED]: "those since the pause are no longer in the server's log",
  [Gap_Reason.EPOCH_CHANGED]: "the server was restarted",
  [Gap_Reason.CURSOR_AHEAD]: "the page was ahead of the server's store",
  [Gap_Reason.OVERRUN]: "they came faster than this page could take them",
};

export function createLiveEvents(api: Api, schedule: Schedule, nowMs: () => number): LiveEvents {
  const state = signal<StreamState>("idle");
  const problem = signal<Problem | undefined>();
  const rows = signal<readonly Row[]>([]);
  const received = signal(0);
  const gaps = signal(0);
  let asked: { readonly namespace: string; readonly prefixes: string[] } = { namespace: "", prefixes: [] };
  let cursor: Uint8Array<ArrayBufferLike> = new Uint8Array();
  let ending = new AbortController();
  let waiting: Row[] = [];
  /** Where in `waiting` what comes once for each shard is. */
  let repeated = new Map<string, number>();
  let cancelTell: (() => void) | undefined;
  let counted = 0;
  let gapsCounted = 0;
  let lastNumber = 0;

  function nextNumber(): number {
    lastNumber += 1;
    return lastNumber;
  }

  function tell(): void {
    cancelTell?.();
    cancelTell = undefined;
    if (waiting.length > 0) rows.value = [...rows.value, ...waiting].slice(-ROWS_MAX);
    waiting = [];
    repeated = new Map();
    received.value = counted;
    gaps.value = gapsCounted;
  }

  function add(row: Row): void {
    waiting.push(row);
    // A hidden page has slow timers: what waits is bounded too.
    if (waiting.length > 2 * ROWS_MAX) {
      waiting = waiting.slice(-ROWS_MAX);
      repeated = new Map();
    }
    cancelTell ??= schedule(tell, TELL_INTERVAL_MS);
  }

  function addEvent(row: EventRow): void {
    if (row.targetKind === "key") {
      add(row);
      return;
    }
    const name = JSON.stringify([row.kind, row.targetKind, row.target, row.origin, row.traceparent]);
    const index = repeated.get(name);
    const first = index === undefined ? undefined : waiting[index];
    if (index === undefined || first?.row !== "event") {
      repeated.set(name, waiting.length);
      add(row);
    } else waiting[index] = { ...first, shards: first.shards + 1 };
  }

  function take({ frame }: StreamResponse): void {
    switch (frame.case) {
      case "opened":
        state.value = "live";
        problem.value = undefined;
        if (cursor.length === 0) cursor = frame.value.cursor;
        return;
      case "events":
        for (const event of frame.value.events) {
          counted += 1;
          addEvent(toRow(event, nextNumber(), nowMs()));
        }
        cursor = frame.value.cursor;
        return;
      case "progress":
        cursor = frame.value.cursor;
        return;
      case "gap":
        gapsCounted += 1;
        add({ row: "gap", number: nextNumber(), atMs: nowMs(), reason: GAPS[frame.value.reason] ?? "" });
        cursor = frame.value.cursor;
        return;
      case "draining":
      case undefined:
        return;
      default:
        frame satisfies never;
    }
  }

  async function run(own: AbortController): Promise<void> {
    state.value = "connecting";
    try {
      for await (const response of api.cache.stream({ ...asked, cursor }, { signal: own.signal })) {
        if (own.signal.aborted) return;
        take(response);
      }
    } catch (cause) {
      if (own.signal.aborted) return;
      problem.value = toProblem(cause);
    }
    if (own.signal.aborted) return;
    tell();
    state.value = "interrupted";
    // What was refused will be refused again.
    if (problem.value === undefined || problem.value.kind === "unreachable") {
      const cancel = schedule(() => void run(own), RETRY_MS);
      own.signal.addEventListener("abort", cancel);
    }
  }

  function begin(): void {
    ending.abort();
    ending = new AbortController();
    void run(ending);
  }

  function halt(next: StreamState): void {
    ending.abort();
    tell();
    state.value = next;
  }

  function clear(): void {
    tell();
    rows.value = [];
    counted = 0;
    gapsCounted = 0;
    tell();
  }

  return {
    state,
    problem,
    rows,
    received,
    gaps,
    follow(namespace, prefixes) {
      ending.abort();
      clear();
      asked = { namespace, prefixes: [...prefixes] };
      cursor = new Uint8Array();
      problem.value = undefined;
      begin();
    },
    pause: () => halt("paused"),
    resume: begin,
    clear,
    stop: () => halt("idle"),
  };
}

function toRow(event: Event, number: number, atMs: number): EventRow {
  const { target } = event;
  return {
    row: "event",
    number,
    atMs,
    kind: KINDS[event.kind] ?? "changed",
    targetKind: target.case ?? "all",
    target: target.case === "all" || target.case === undefined ? "" : target.value,
    shards: 1,
    shard: event.stamp?.shard ?? 0,
    revision: event.stamp?.revision ?? 0n,
    origin: event.origin,
    traceparent: event.traceparent,
  };
}
