/**
 * Runs a trace as cache-aside traffic: a read asks the cache, a miss takes a lease, loads from the origin and sets
 * the value with the lease's token; a write changes the origin, then invalidates by key or by tag.
 *
 * Every value that the cache returns is judged against the origin (see origin.ts). A coherent cache never returns
 * a stale one, whatever runs at the same time: a fill that raced an invalidation has lost its lease.
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
import type { Origin, Version } from "./origin.ts";
import type { Payloads } from "./payload.ts";
import type { ReplayTally } from "./tally.ts";
import type { Trace, TraceObject } from "./trace.ts";

export type ReplayOperation = MessageInitShape<typeof OperationSchema>;

/** The cache under test. Results come in the order of the operations. */
export interface ReplayTarget {
  run(operations: readonly ReplayOperation[]): Promise<readonly OperationResult[]>;
}

export interface ReplayPlan {
  readonly trace: Trace;
  /** How many of the trace's accesses are replayed. */
  readonly accesses: number;
  readonly concurrency: number;
  /** Accesses that go to the cache at once. */
  readonly batch: number;
  /** Share of the accesses that write. */
  readonly writes: number;
  /** Share of the writes that are of a whole tag. */
  readonly tagWrites: number;
}

export interface ReplayParts {
  readonly target: ReplayTarget;
  readonly origin: Origin;
  readonly payloads: Payloads;
  readonly rng: Rng;
  readonly tally: ReplayTally;
  readonly interrupted: AbortSignal;
}

/** A waiting Lease holds back its whole batch, so only one that travels alone waits. */
const LEASE_WAIT_MS = 1_000;

interface Read {
  readonly object: TraceObject;
  readonly floor: Version;
}

/** Replays to the end, or to the interruption. Rejects with the first error of the cache. */
export async function replayTrace(plan: ReplayPlan, parts: ReplayParts): Promise<void> {
  const { target, origin, payloads, rng, tally, interrupted } = parts;
  let next = 0;
  let failed = false;

  const judge = (hit: Hit, { object, floor }: Read): void => {
    tally.read(payloads.judge(hit.value, object, floor, origin.load(object)));
  };

  /** Operations of one round trip with what each one's result is for. */
  const send = async (
    kind: "get" | "fill" | "invalidate",
    exchanges: readonly { operation: ReplayOperation; settle: (result: OperationResult["result"]) => void }[],
  ): Promise<void> => {
    if (exchanges.length === 0) return;
    const startedAt = performance.now();
    const results = await target.run(exchanges.map(({ operation }) => operation));
    tally.latencies.record(kind, performance.now() - startedAt, exchanges.length);
    exchanges.forEach(({ settle }, index) => {
      const result = results[index]?.result ?? { case: undefined };
      if (result.case === "error") {
        const error = fromStatus(result.value);
        if (kind !== "fill" || error.reason !== "LIMIT_EXCEEDED") throw error;
      }
      settle(result);
    });
  };

  const fill = async (objects: readonly TraceObject[]): Promise<void> => {
    const granted: { object: TraceObject; token: bigint }[] = [];
    const waitMs = objects.length === 1 ? LEASE_WAIT_MS : 0;
    await send(
      "fill",
      objects.map((object) => {
        const read = { object, floor: origin.floor(object) };
        return {
          operation: { operation: { case: "lease", value: { key: object.key, waitMs } } },
          settle: (result) => {
            const outcome = result.case === "lease" ? result.value.outcome : undefined;
            if (outcome?.case === "granted") granted.push({ object, token: outcome.value.token });
            else if (outcome?.case === "hit") {
              judge(outcome.value, read);
              tally.shared();
            } else tally.bypassed();
          },
        };
      }),
    );
    // The load: it reads the origin now and answers a turn later, so that writes can come between.
    const loads = granted.map(({ object, token }) => ({ object, token, version: origin.load(object) }));
    await turn();
    await send(
      "fill",
      loads.map(({ object, token, version }) => ({
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
      })),
    );
  };

  const worker = async (): Promise<void> => {
    while (next < plan.accesses && !failed && !interrupted.aborted) {
      const reads: TraceObject[] = [];
      const writes: { operation: ReplayOperation; settle: () => void }[] = [];
      const end = Math.min(next + plan.batch, plan.accesses);
      // In the order of the trace, so that a seed makes the same accesses writes at any concurrency.
      for (; next < end; next += 1) {
        const object = plan.trace.at(next);
        if (rng.fraction() >= plan.writes) reads.push(object);
        else writes.push(toWrite(object, rng.fraction() < plan.tagWrites));
      }
      const missed = new Map<number, TraceObject>();
      await Promise.all([
        send("invalidate", writes),
        send(
          "get",
          reads.map((object) => {
            const read = { object, floor: origin.floor(object) };
            return {
              operation: { operation: { case: "get", value: { key: object.key } } },
              settle: (result) => {
                const outcome = result.case === "get" ? result.value.outcome : undefined;
                if (outcome?.case === "hit") {
                  judge(outcome.value, read);
                  tally.hit();
                } else {
                  tally.missed();
                  missed.set(object.id, object);
                }
              },
            };
          }),
        ),
      ]);
      await fill([...missed.values()]);
      tally.done(reads.length + writes.length);
    }
  };

  const toWrite = (object: TraceObject, byTag: boolean) => {
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
  };

  const stopOthers = (error: unknown): never => {
    failed = true;
    throw error;
  };
  await Promise.all(Array.from({ length: plan.concurrency }, () => worker().catch(stopOthers)));
}
