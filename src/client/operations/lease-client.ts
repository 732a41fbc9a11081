/**
 * Asks for leases. A lease is the right to fill an entry; while another process holds it, the server lets a
 * caller wait.
 */
import { CacheError } from "../../common/errors.ts";
import type { EntryVersion } from "../api/results.ts";
import { pause } from "../api/timeouts.ts";
import { expectReply, type LeaseReading, readLease } from "../messages/replies.ts";
import { leaseOperation, releaseOperation } from "../messages/requests.ts";
import type { Reading } from "../near-cache/cached-entry.ts";
import type { LeaseWait } from "./lease-wait.ts";
import type { NamespaceContext } from "./namespace-context.ts";
import type { EntryReader, Found } from "./reader.ts";

export type LeaseAnswer<Value> =
  | { readonly kind: "found"; readonly found: Found<Value> }
  | { readonly kind: "granted"; readonly token: bigint; readonly stale: Found<Value> | undefined }
  /** A fresh entry that the codec cannot decode, in a namespace that treats such an entry as a miss. */
  | { readonly kind: "undecodable"; readonly when: EntryVersion };

type HeldLease<Value> = {
  readonly kind: "held";
  readonly retryAfterMs: number;
  readonly stale: Found<Value> | undefined;
};

/** How a lease is asked for. */
export interface LeaseTerms<Value> {
  /** How long the lease of another process is waited for. */
  readonly waitMs: number;
  /** The same where there is a stale value. */
  readonly staleWaitMs: number;
  readonly leaseMs: number;
  readonly wait: LeaseWait;
  /** Called when there is somebody to wait for, with the stale value that there is meanwhile. */
  readonly held: (stale: Found<Value> | undefined) => void;
  /** It waits for room in the window. */
  readonly isOneOfMany: boolean;
}

/** The longest pause after a server did not wait although it was asked to: it has reached a limit. */
const RETRY_MAX_MS = 1_000;

export class LeaseClient<Value> {
  readonly #context: NamespaceContext<Value>;
  readonly #reader: EntryReader<Value>;

  constructor(context: NamespaceContext<Value>, reader: EntryReader<Value>) {
    this.#context = context;
    this.#reader = reader;
  }

  /**
   * Throws DEADLINE when another process still holds the lease after `waitMs`, or when `wait` is ended, and there is no stale
   * value.
   */
  async acquire(
    key: string,
    { waitMs, staleWaitMs, leaseMs, wait, held, isOneOfMany }: LeaseTerms<Value>,
  ): Promise<LeaseAnswer<Value>> {
    const { clock, rng, runner } = this.#context;
    const begunAtMs = clock.nowMs();
    // First without waiting: it goes with the other operations of its tick, and mostly there is nobody to wait for.
    let holdMs = 0;
    for (let isFirst = true; ; isFirst = false) {
      const answer = await this.#ask(key, holdMs, leaseMs, isOneOfMany && isFirst);
      if (wait.ended && answer.kind === "granted") this.release(key, answer.token);
      if (answer.kind !== "held") return answer;
      const { stale } = answer;
      const atMostMs = stale === undefined ? waitMs : Math.min(waitMs, staleWaitMs);
      const remainingMs = wait.ended ? 0 : begunAtMs + atMostMs - clock.nowMs();
      if (stale !== undefined && remainingMs <= 0) return { kind: "found", found: stale };
      held(stale);
      if (remainingMs <= 0) throw new CacheError("DEADLINE", "another process was still loading the value");
      if (!isFirst) {
        const retryMs = Math.min(answer.retryAfterMs, remainingMs, RETRY_MAX_MS);
        await pause(clock, Math.ceil(retryMs * (0.5 + rng.fraction() / 2)));
      }
      const { leaseWaitMaxMs } = runner.limits;
      holdMs = leaseWaitMaxMs === 0 ? 0 : Math.max(1, Math.min(remainingMs, leaseWaitMaxMs));
    }
  }

  /** Releases a lease. Failure is ignored: the lease expires. */
  release(key: string, token: bigint): void {
    this.#release(key, token).catch(() => undefined);
  }

  async #release(key: string, token: bigint): Promise<void> {
    const { namespace, runner } = this.#context;
    await runner.run({
      name: "Lease",
      namespace,
      operation: releaseOperation(key, token),
      retry: "anyEpoch",
      read: () => undefined,
    });
  }

  async #ask(
    key: string,
    waitMs: number,
    leaseMs: number,
    isOneOfMany: boolean,
  ): Promise<LeaseAnswer<Value> | HeldLease<Value>> {
    const { near, namespace, runner } = this.#context;
    return runner.run({
      options: isOneOfMany ? { bulk: runner.bulk() } : undefined,
      name: "Lease",
      namespace,
      operation: leaseOperation(key, waitMs, Math.min(leaseMs, runner.limits.leaseMaxMs)),
      retry: "anyEpoch",
      waitMs,
      coverage: () => near?.coverage() ?? 0,
      read: (reply, call) =>
        this.#read(readLease(key, expectReply(reply, "lease"), call.sentAtMs), call.coverage),
      // The caller has given up: release the lease that it cannot use.
      late: (reply) => {
        const outcome = reply.case === "lease" ? reply.value.outcome : undefined;
        if (outcome?.case === "granted") this.release(key, outcome.value.token);
      },
    });
  }

  #read(lease: LeaseReading, coverage: number): LeaseAnswer<Value> | HeldLease<Value> {
    switch (lease.kind) {
      case "hit": {
        const found = this.#reader.take(lease.reading, coverage);
        if (found.outcome.kind !== "miss") return { kind: "found", found };
        const { asOf, version } = lease.reading;
        return { kind: "undecodable", when: { epoch: asOf.epoch, revision: version } };
      }
      case "granted":
        return { kind: "granted", token: lease.token, stale: this.#stale(lease.stale, coverage) };
      case "held":
        return { kind: "held", retryAfterMs: lease.retryAfterMs, stale: this.#stale(lease.stale, coverage) };
      default:
        return lease satisfies never;
    }
  }

  #stale(reading: Reading | undefined, coverage: number): Found<Value> | undefined {
    if (reading === undefined) return undefined;
    try {
      const found = this.#reader.take(reading, coverage);
      return found.outcome.kind === "miss" ? undefined : found;
    } catch {
      // A stale value that cannot be decoded is about to be replaced. An error here would lose the lease.
      return undefined;
    }
  }
}
