/**
 * The invalidations that no server has acknowledged: those that were asked for while there was no connection, and those that
 * were sent and got no answer. They are idempotent: they are sent, or sent again, before anything else on the next stream,
 * and stay here until a server has answered. The copies of this process are gone by then: writer.ts removes them at once.
 *
 * Sets and Touches are not queued: what they write may be out of date by the time that there is a connection.
 */
import type { Clock, Timer } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import type { Rng } from "../../common/random.ts";
import type { ReportEvent } from "../api/client-events.ts";
import { QueuedInvalidationError } from "../api/queued-invalidation-error.ts";
import { onAbort } from "../api/signals.ts";
import type { AsOf } from "../coherence/coherence.ts";
import type { Connection } from "../connection/connection.ts";
import { expectReply, readInvalidate } from "../messages/replies.ts";
import { invalidateOperation } from "../messages/requests.ts";
import { fromTarget, type Target, toInvalidateTarget } from "./invalidate-target.ts";
import { type BacklogLimits, InvalidationBacklog } from "./invalidation-backlog.ts";
import { type AskedInvalidation, type QueuedMessage, toMessages } from "./invalidation-message.ts";
import { Acknowledgement, QueuedName } from "./queued-name.ts";
import type { OperationRunner } from "./runner.ts";

/** What no server has acknowledged: it may have taken effect or not. */
export interface UnacknowledgedInvalidation {
  readonly namespace: string;
  readonly target: Target;
  readonly soft: boolean;
  /** 0n: none. */
  readonly sourceVersion: bigint;
}

/** Counted from when the client was made. */
export interface InvalidationCounters {
  /** Invalidations that were queued: there was no connection, or no answer. One of many keys may count several times. */
  queued: number;
  /** Times that there was no room, so that the queued names of a namespace became a clear of it. */
  overflows: number;
  /** Queued names that a server refused for good. */
  refused: number;
}

export interface InvalidationQueueDeps extends BacklogLimits {
  readonly connection: Pick<
    Connection,
    "isConnected" | "hasWaitingCalls" | "namespacesToWrite" | "flushSoon"
  >;
  readonly runner: OperationRunner;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly counters: InvalidationCounters;
  readonly report: ReportEvent;
  /** A server has acknowledged it. Called while the answer is processed. */
  acknowledged(invalidation: AskedInvalidation, asOfs: readonly AsOf[]): void;
}

/** How long the caller of an invalidation waits. */
export interface Patience {
  readonly deadlineAtMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The longest pause after a server did not take a message, on a stream that goes on and has nothing else to carry. */
const RETRY_MAX_MS = 1_000;
/** The shortest, whatever waits, and what a server in trouble is spared with many names. */
const REST_MIN_MS = 5;
const RESENT_NAMES_PER_MS = 10;

export class InvalidationQueue {
  readonly #deps: InvalidationQueueDeps;
  readonly #backlog: InvalidationBacklog;
  /** Sent from the backlog, and not answered. */
  readonly #sent = new Set<QueuedMessage>();
  /** Calls that are not queued, or not yet. */
  readonly #attempts = new Set<Promise<unknown>>();
  readonly #whenEmpty = new Set<() => void>();
  /** Until it runs, nothing is sent again on the stream that goes on, unless calls are. */
  #retryTimer: Timer | undefined;
  /** When a server did not take a message the last time. */
  #refusedAtMs = 0;
  #isClosed = false;

  constructor(deps: InvalidationQueueDeps) {
    this.#deps = deps;
    this.#backlog = new InvalidationBacklog(deps, (namespace) => {
      deps.counters.overflows += 1;
      deps.report({ kind: "overflow", reason: "invalidations", namespace });
    });
  }

  /** Names that wait to be sent or to be acknowledged. */
  get waiting(): number {
    let waiting = this.#backlog.size;
    for (const { names } of this.#sent) waiting += names.length;
    return waiting;
  }

  /**
   * Runs `attempt`, which sends the invalidation as any call; where no server answers, it is queued. Returns how many entries
   * it removed, as far as that is known. Rejects with a QueuedInvalidationError when the caller gives up first.
   */
  async attempt(
    asked: AskedInvalidation,
    patience: Patience,
    attempt: () => Promise<number>,
  ): Promise<number> {
    const attempted = attempt();
    const ended = attempted.catch(() => undefined);
    this.#attempts.add(ended);
    try {
      return await attempted;
    } catch (error) {
      if (!(error instanceof CacheError) || !isUnanswered(error) || this.#isClosed) throw error;
      return await this.#add(asked, patience, error);
    } finally {
      this.#attempts.delete(ended);
      this.#checkEmpty();
    }
  }

  /** There is a new stream. What is under way on the one before, which nobody watches any more, goes first on this one too. */
  connected(): void {
    this.#retryTimer?.cancel();
    this.#retryTimer = undefined;
    for (const { namespace, names } of this.#sent) this.#backlog.add(namespace, names);
    this.#sent.clear();
  }

  /**
   * Calls are about to be sent: sends all that waits, before them. Until then names are merged, also while the stream is
   * congested, so that what is under way needs no bound of its own. After a refusal calls wake it sooner than its pause does, so that
   * few overtake what is queued, but no sooner than so many names may be sent again.
   */
  flush(): void {
    if (this.#backlog.size === 0 || this.#isPausing) return;
    // A Set from before an invalidation, which is still to be sent, must not outlive it.
    const { namespacesToWrite } = this.#deps.connection;
    for (const { namespace, names } of this.#backlog.take()) {
      const isSentTwice = namespacesToWrite.has(namespace);
      const messages = toMessages(namespace, names, this.#deps.runner.limits);
      for (const message of messages) this.#send(message, isSentTwice);
    }
  }

  /** Resolves when every invalidation is acknowledged or refused, and none is under way. */
  async emptied(): Promise<void> {
    if (!this.#isEmpty) await new Promise<void>((resolve) => this.#whenEmpty.add(resolve));
  }

  /** After the connection was closed. Returns what no server has acknowledged; nothing is queued any more. */
  async close(): Promise<UnacknowledgedInvalidation[]> {
    // They have all failed, and are about to be queued.
    await Promise.all(this.#attempts);
    this.#isClosed = true;
    const unsent = this.#backlog
      .all()
      .flatMap(({ namespace, names }) => toMessages(namespace, names, this.#deps.runner.limits));
    const left = [...this.#sent, ...unsent];
    const closed = new CacheError("CLOSED", "the client was closed before a server acknowledged it");
    for (const { names } of left) for (const name of names) name.refused(closed);
    if (left.length > 0) this.#deps.report({ kind: "invalidationsLeft", invalidations: left.length });
    return left.map(({ namespace, part, soft, sourceVersion }) => ({
      namespace,
      target: fromTarget(part),
      soft,
      sourceVersion,
    }));
  }

  get #isPausing(): boolean {
    if (this.#retryTimer === undefined) return false;
    const { clock, connection } = this.#deps;
    const restMs = Math.max(REST_MIN_MS, this.#backlog.size / RESENT_NAMES_PER_MS);
    return !connection.hasWaitingCalls || clock.nowMs() < this.#refusedAtMs + restMs;
  }

  // ---- Callers -------------------------------------------------------------------------------------------

  #add({ namespace, part, soft, sourceVersion }: AskedInvalidation, patience: Patience, cause: CacheError) {
    this.#deps.counters.queued += 1;
    const names = part.names.map((name) => new QueuedName(part.target, name, soft, sourceVersion));
    const acknowledged = this.#wait(names, patience, cause);
    this.#backlog.add(namespace, names);
    if (this.#deps.connection.isConnected) this.#deps.connection.flushSoon();
    return acknowledged;
  }

  #wait(
    names: readonly QueuedName[],
    { deadlineAtMs, signal }: Patience,
    cause: CacheError,
  ): Promise<number> {
    const { clock } = this.#deps;
    const remainingMs = deadlineAtMs - clock.nowMs();
    if (cause.reason === "CLOSED") return Promise.reject(cause);
    if (cause.reason === "CANCELLED") return Promise.reject(new QueuedInvalidationError("CANCELLED", cause));
    if (remainingMs <= 0) return Promise.reject(new QueuedInvalidationError("DEADLINE", cause));
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const acknowledgement = new Acknowledgement(names, resolve, reject);
    const giveUp = (reason: "DEADLINE" | "CANCELLED") =>
      acknowledgement.fail(new QueuedInvalidationError(reason, cause));
    const timer = clock.schedule(remainingMs, () => giveUp("DEADLINE"));
    const stopListening = signal && onAbort(signal, () => giveUp("CANCELLED"));
    return promise.finally(() => {
      timer.cancel();
      stopListening?.();
    });
  }

  // ---- Sending -------------------------------------------------------------------------------------------

  #send(message: QueuedMessage, isSentTwice: boolean): void {
    this.#sent.add(message);
    const sending = [this.#run(message, "first")];
    if (isSentTwice) sending.push(this.#run(message, "last"));
    Promise.all(sending).then(
      ([removed = 0]) => this.#acknowledged(message, removed),
      (error) => this.#failed(message, error),
    );
  }

  #run(message: QueuedMessage, queued: "first" | "last"): Promise<number> {
    const { namespace, part, soft, sourceVersion } = message;
    return this.#deps.runner.run({
      name: "Invalidate",
      namespace,
      operation: invalidateOperation(toInvalidateTarget(part), soft, sourceVersion),
      retry: "byOwner",
      queued,
      read: (reply) => {
        const { asOfs, removed } = readInvalidate(expectReply(reply, "invalidate"));
        this.#deps.acknowledged(message, asOfs);
        return removed;
      },
    });
  }

  #acknowledged(message: QueuedMessage, removed: number): void {
    // Otherwise it was sent again since.
    if (!this.#sent.delete(message)) return;
    const callers = new Set(message.names.flatMap(({ waiting }) => [...waiting]));
    // Of what several callers asked for, nobody knows whose it was.
    if (callers.size === 1) for (const caller of callers) caller.removed += removed;
    for (const name of message.names) name.acknowledged();
    this.#checkEmpty();
  }

  #failed(message: QueuedMessage, error: unknown): void {
    if (!this.#sent.delete(message)) return;
    const { namespace, names } = message;
    if (this.#isClosed) return;
    if (this.#maySendAgain(message, error)) {
      this.#backlog.add(namespace, names);
      if (this.#deps.connection.isConnected) this.#retryLater();
      return;
    }
    this.#deps.counters.refused += names.length;
    const cause = error instanceof CacheError ? error.reason : "INTERNAL";
    this.#deps.report({ kind: "invalidationsRefused", namespace, names: names.length, cause });
    for (const name of names) name.refused(error);
    this.#checkEmpty();
  }

  #maySendAgain({ namespace, names }: QueuedMessage, error: unknown): boolean {
    if (!(error instanceof CacheError)) return false;
    if (isUnanswered(error) || error.reason === "LIMIT_EXCEEDED") return true;
    // By now another server may take the calls, and fewer names in a message.
    return (
      error.reason === "FIELD_INVALID" && toMessages(namespace, names, this.#deps.runner.limits).length > 1
    );
  }

  /** The stream goes on, so there will be no next one to wait for. */
  #retryLater(): void {
    const { clock, rng, connection } = this.#deps;
    const delayMs = Math.ceil(RETRY_MAX_MS * (0.5 + rng.fraction() / 2));
    this.#refusedAtMs = clock.nowMs();
    this.#retryTimer ??= clock.schedule(delayMs, () => {
      this.#retryTimer = undefined;
      connection.flushSoon();
    });
  }

  get #isEmpty(): boolean {
    return this.#attempts.size === 0 && this.#sent.size === 0 && this.#backlog.size === 0;
  }

  #checkEmpty(): void {
    if (!this.#isEmpty) return;
    for (const resolve of this.#whenEmpty) resolve();
    this.#whenEmpty.clear();
  }
}

/** Whether a call failed without the answer of a server, so that nobody knows whether it took effect. */
function isUnanswered({ reason, detail }: CacheError): boolean {
  switch (reason) {
    case "UNAVAILABLE":
    case "UNAUTHENTICATED":
    case "DEADLINE":
    case "DRAINING":
    case "CANCELLED":
    case "CLOSED":
      return true;
    case "LIMIT_EXCEEDED":
      // The window of this client is full.
      return detail.limit?.startsWith("inFlight") === true;
    case "FIELD_INVALID":
    case "PERMISSION_DENIED":
    case "CODEC":
    case "LOADER_TIMEOUT":
    case "INTERNAL":
      return false;
    default:
      return reason satisfies never;
  }
}
