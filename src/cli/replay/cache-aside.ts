/**
 * Replays a trace as cache-aside traffic. A read asks the cache; after a miss it takes a lease, loads from the origin
 * and sets the value with the token of the lease. A write changes the origin, then invalidates by key or by tag.
 *
 * Every value from the cache is compared with the origin (see origin.ts). A coherent cache never returns a stale
 * value, whatever runs at the same time: an invalidation ends the lease of a fill that is under way.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type Hit,
  NotStored_Reason,
  type OperationResult,
  type OperationSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Rng } from "../../common/random.ts";
import { fromStatus } from "../../rpc/status.ts";
import { runConcurrently } from "./concurrently.ts";
import type { Origin, Version } from "./origin.ts";
import type { Payloads } from "./payload.ts";
import type { ReplayPlan } from "./plan.ts";
import type { CallKind, ReplayTally } from "./tally.ts";
import type { TraceObject } from "./trace.ts";

export type ReplayOperation = MessageInitShape<typeof OperationSchema>;

/** The cache under test. Results come in the order of the operations. */
export interface ReplayTarget {
  run(operations: readonly ReplayOperation[]): Promise<readonly OperationResult[]>;
}

export interface ReplayParts {
  readonly target: ReplayTarget;
  readonly origin: Origin;
  readonly payloads: Payloads;
  readonly rng: Rng;
  readonly tally: ReplayTally;
  readonly interrupted: AbortSignal;
}

/** Only a lease in a call of its own waits: in a batch it would delay the other operations. */
const LEASE_WAIT_MS = 1_000;

type Result = OperationResult["result"];

/** One operation, and what to do with its result. */
interface Request {
  readonly operation: ReplayOperation;
  readonly settle: (result: Result) => void;
}

interface GrantedLease {
  readonly object: TraceObject;
  readonly token: bigint;
}

/** Resolves at the end of the trace, or after an interruption. Rejects with the first error of the cache. */
export function replayTrace(plan: ReplayPlan, parts: ReplayParts): Promise<void> {
  return new CacheAsideReplay(plan, parts).run();
}

class CacheAsideReplay {
  readonly #plan: ReplayPlan;
  readonly #parts: ReplayParts;
  /** The index of the next access. */
  #next = 0;

  constructor(plan: ReplayPlan, parts: ReplayParts) {
    this.#plan = plan;
    this.#parts = parts;
  }

  run(): Promise<void> {
    return runConcurrently(this.#plan.concurrency, () => this.#startBatch());
  }

  /**
   * Undefined at the end. Draws in the order of the trace, so that a seed gives the same writes at any concurrency.
   */
  #startBatch(): Promise<void> | undefined {
    const { trace, accesses, batch, writes: writeShare, tagWrites: tagShare } = this.#plan;
    const { rng, interrupted } = this.#parts;
    if (this.#next >= accesses || interrupted.aborted) return undefined;
    const reads: TraceObject[] = [];
    const writes: Request[] = [];
    const end = Math.min(this.#next + batch, accesses);
    for (; this.#next < end; this.#next += 1) {
      const object = trace.at(this.#next);
      if (rng.fraction() >= writeShare) reads.push(object);
      else writes.push(this.#write(object, rng.fraction() < tagShare));
    }
    return this.#runBatch(reads, writes);
  }

  async #runBatch(reads: readonly TraceObject[], writes: readonly Request[]): Promise<void> {
    const missed = new Map<number, TraceObject>();
    await Promise.all([
      this.#send("invalidate", writes),
      this.#send(
        "get",
        reads.map((object) => this.#get(object, missed)),
      ),
    ]);
    await this.#fill([...missed.values()]);
    this.#parts.tally.done(reads.length + writes.length);
  }

  /** Sends the operations in one call. */
  async #send(kind: CallKind, requests: readonly Request[]): Promise<void> {
    if (requests.length === 0) return;
    const { target, tally } = this.#parts;
    const startedAtMs = performance.now();
    const results = await target.run(requests.map(({ operation }) => operation));
    tally.latencies.record(kind, performance.now() - startedAtMs, requests.length);
    requests.forEach(({ settle }, index) => {
      const result = results[index]?.result ?? { case: undefined };
      if (result.case === "error") {
        const error = fromStatus(result.value);
        if (kind !== "fill" || error.reason !== "LIMIT_EXCEEDED") throw error;
      }
      settle(result);
    });
  }

  #get(object: TraceObject, missed: Map<number, TraceObject>): Request {
    const { origin, tally } = this.#parts;
    const floor = origin.floor(object);
    return {
      operation: { operation: { case: "get", value: { key: object.key } } },
      settle: (result) => {
        const outcome = result.case === "get" ? result.value.outcome : undefined;
        if (outcome?.case === "hit") {
          this.#judge(outcome.value, object, floor);
          tally.hit();
        } else {
          tally.missed();
          missed.set(object.id, object);
        }
      },
    };
  }

  /** Changes the origin now; the operation invalidates. */
  #write(object: TraceObject, byTag: boolean): Request {
    const { origin, tally } = this.#parts;
    const write = byTag ? origin.writeTag(object) : origin.writeKey(object);
    tally.wrote(byTag);
    const operation: ReplayOperation = {
      operation: {
        case: "invalidate",
        value: {
          target: byTag
            ? { case: "tags", value: { tags: [object.tag] } }
            : { case: "keys", value: { keys: [object.key] } },
        },
      },
    };
    return { operation, settle: () => write.acknowledge() };
  }

  async #fill(objects: readonly TraceObject[]): Promise<void> {
    const { origin } = this.#parts;
    const granted: GrantedLease[] = [];
    const waitMs = objects.length === 1 ? LEASE_WAIT_MS : 0;
    await this.#send(
      "fill",
      objects.map((object) => this.#lease(object, waitMs, granted)),
    );
    // The origin is read now and answers a turn later, so that writes can come between.
    const loads = granted.map(({ object, token }) => ({ object, token, version: origin.load(object) }));
    await turn();
    await this.#send(
      "fill",
      loads.map(({ object, token, version }) => this.#set(object, token, version)),
    );
  }

  #lease(object: TraceObject, waitMs: number, granted: GrantedLease[]): Request {
    const { origin, tally } = this.#parts;
    const floor = origin.floor(object);
    return {
      operation: { operation: { case: "lease", value: { key: object.key, waitMs } } },
      settle: (result) => {
        const outcome = result.case === "lease" ? result.value.outcome : undefined;
        if (outcome?.case === "granted") granted.push({ object, token: outcome.value.token });
        else if (outcome?.case === "hit") {
          this.#judge(outcome.value, object, floor);
          tally.shared();
        } else tally.bypassed();
      },
    };
  }

  #set(object: TraceObject, token: bigint, version: Version): Request {
    const { payloads, tally } = this.#parts;
    return {
      operation: {
        operation: {
          case: "set",
          value: {
            key: object.key,
            value: payloads.encode(object, version),
            tags: [object.tag],
            condition: { case: "leaseToken", value: token },
          },
        },
      },
      settle: (result) => {
        const outcome = result.case === "set" ? result.value.outcome : undefined;
        if (outcome?.case === "stored") tally.filled();
        else if (outcome?.case === "notStored" && outcome.value.reason === NotStored_Reason.LEASE_LOST)
          tally.lost();
        else tally.refused();
      },
    };
  }

  #judge(hit: Hit, object: TraceObject, floor: Version): void {
    const { tally, payloads, origin } = this.#parts;
    tally.read(payloads.judge(hit.value, object, floor, origin.load(object)));
  }
}
