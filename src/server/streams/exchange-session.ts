/**
 * One Exchange without its transport: takes request frames one at a time and keeps the order of what is sent.
 *
 * Before a response is sent, all events that the shards have produced so far are sent: a response never overtakes an event
 * that it reflects. A request is taken only while the sink takes frames. Until then it waits in the inbox, and `paused()`
 * tells the owner to stop reading. The same holds between the chunks of one batch, so that its answer may be larger than
 * what the session holds of it.
 */

import { create } from "@bufbuild/protobuf";
import {
  DrainingSchema,
  type ExchangeRequest,
  type Open,
  type Subscription,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { type Boundary, createBoundary } from "../../common/boundary.ts";
import { NO_BYTES } from "../../common/bytes.ts";
import { CacheError, fieldInvalid } from "../../common/errors.ts";
import type { LoadShedder } from "../../rpc/admission.ts";
import type { Limits } from "../../rpc/limits.ts";
import { toLimitsMessage } from "../../rpc/limits-message.ts";
import { toFailure } from "../../rpc/remote-operations.ts";
import { isFault, toStatus } from "../../rpc/status.ts";
import { fromSelectors } from "../../rpc/subscription.ts";
import { checkClientId, checkLibrary } from "../../rpc/validate.ts";
import { type Access, deniedSelectors, selectorDenial } from "../../security/access/access.ts";
import type { Backend, Pending } from "../../store/api/backend.ts";
import type { LeaseHolder, Selector, Subscriber } from "../../store/api/store.ts";
import { UNSAMPLED_CALL } from "../../telemetry/no-telemetry.ts";
import type { CallSpan, Telemetry } from "../../telemetry/telemetry.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";
import type { RefusalCounts } from "../limits/refusal-counts.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import { ERROR_WORK_BYTES, FRAME_WORK_BYTES } from "../limits/work.ts";
import type { Caller } from "../operations/batch.ts";
import { BatchRunner } from "./batch-runner.ts";
import { type FeedFrame, toOpened } from "./event-feed.ts";
import { ExchangeSubscription } from "./exchange-subscription.ts";
import { FrameOutput, type FrameSink } from "./frame-output.ts";
import type { StreamDescription } from "./stream-registry.ts";
import { type Defer, deferOnce } from "./turn-scheduler.ts";

/** Frames of a stream whose answers may wait for barriers at once. */
const BARRIERS_MAX = 16;

export interface ExchangeSession {
  receive(frame: ExchangeRequest): void;
  /** While it is true, the owner should read no further frame. */
  paused(): boolean;
  /** The sink takes frames again. */
  drained(): void;
  /** The client sends nothing more: the stream ends when everything is answered. */
  halfClosed(): void;
  /** Tells the client that the server is shutting down. */
  drain(): void;
  /** Why its subscription is not permitted any more. Undefined: it is, or there is none. */
  denial(): CacheError | undefined;
  /** Undefined: it has not opened, or its connection is not known. */
  describe(): StreamDescription | undefined;
  /** The stream is gone: nothing more is sent, and waits for leases are cancelled. */
  close(): void;
}

export type ExchangeLimits = Pick<
  TransportLimits,
  "frameMaxEvents" | "frameMaxBytes" | "exchangeMaxWaitingBatches"
>;

export interface ExchangeSessionDeps {
  readonly store: Backend;
  readonly limits: Limits;
  readonly transport: ExchangeLimits;
  readonly telemetry: Telemetry;
  /** Contains what fails inside another caller's store call. Default: one that reports to the log. */
  readonly boundary?: Boundary;
  /** Default: no operation is refused for load. */
  readonly shedder?: LoadShedder;
  /** Default: errors are not counted. */
  readonly refusals?: RefusalCounts;
  /** Runs a function once, in a later turn of the event loop. */
  readonly defer: Defer;
  /** The span of the stream. Default: one that is not sampled. */
  readonly span?: CallSpan;
  /** Of its connection. Default: batches that wait are not counted. */
  readonly memory?: ConnectionMemory;
  /** What its caller may do. Default: everything. */
  readonly access?: Access | undefined;
  /** Called after a deferred turn, when `paused()` may have become false. */
  readonly unpaused?: () => void;
  /** Where the subscriber of this session is listed while it has one. */
  readonly subscribers?: Set<Subscriber>;
  /** The sink encodes a frame inside `send` and keeps nothing of it. Default false. */
  readonly sinkEncodes?: boolean;
}

export function createExchangeSession(deps: ExchangeSessionDeps, sink: FrameSink): ExchangeSession {
  return new Session(deps, sink);
}

class Session implements ExchangeSession {
  readonly #deps: ExchangeSessionDeps;
  readonly #output: FrameOutput;
  /** The limits in Opened. */
  readonly #openedLimits: ReturnType<typeof toLimitsMessage>;
  readonly #subscription: ExchangeSubscription;
  readonly #batches: BatchRunner;
  readonly #advanceLater: () => void;
  readonly #sendFeedFrame = (frame: FeedFrame): boolean => this.#output.send(frame) && !this.#closed;
  readonly #inbox: ExchangeRequest[] = [];
  /** The selectors of its subscription. */
  #subscribed: readonly Selector[] = [];
  /** Known from the Open frame on. */
  #caller: Caller | undefined;
  /** Whose leases this stream takes. */
  #holder: LeaseHolder | undefined;
  /** What the client says that it is. */
  #client = { library: "", libraryVersion: "" };
  /** Frames whose answers wait for a barrier of the store. */
  readonly #barriers = new Set<Pending>();
  /** Such a frame changes the subscription: those behind it wait too. */
  #isSubscribing = false;
  #lastId = 0n;
  #advancing = false;
  #waitsForTurn = false;
  #halfClosed = false;
  #closed = false;

  constructor(deps: ExchangeSessionDeps, sink: FrameSink) {
    this.#deps = deps;
    this.#output = new FrameOutput(sink);
    const { store, limits, transport, telemetry, subscribers } = deps;
    const { boundary = createBoundary((err) => telemetry.logger.error({ err }, "an exchange failed")) } =
      deps;
    this.#openedLimits = toLimitsMessage({ ...limits, ...transport });
    const feed = { ...transport, openedLimits: this.#openedLimits };
    const listed = subscribers === undefined ? {} : { subscribers };
    this.#subscription = new ExchangeSubscription({ store, limits, feed, ...listed }, () => {
      if (!this.#closed) this.#advanceLater();
    });
    // The answer may come from inside another caller's store call: it is sent after that.
    this.#batches = new BatchRunner({ ...deps, boundary }, () => {
      if (!this.#advancing) this.#advanceLater();
    });
    this.#advanceLater = deferOnce(deps.defer, () => {
      this.#advance();
      deps.unpaused?.();
    });
  }

  receive(frame: ExchangeRequest): void {
    if (this.#closed) return;
    this.#inbox.push(frame);
    this.#advance();
  }

  paused(): boolean {
    return !this.#output.writable || this.#batches.running || this.#inbox.length > 0;
  }

  drained(): void {
    this.#output.drained();
    this.#advance();
  }

  halfClosed(): void {
    this.#halfClosed = true;
    this.#advance();
  }

  drain(): void {
    if (!this.#closed) this.#output.send({ case: "draining", value: create(DrainingSchema) });
  }

  denial(): CacheError | undefined {
    return selectorDenial(this.#deps.access, this.#subscribed);
  }

  describe(): StreamDescription | undefined {
    const { memory } = this.#deps;
    if (memory === undefined || this.#caller === undefined) return undefined;
    return {
      connection: memory,
      method: "Exchange",
      clientId: this.#caller.clientId,
      ...this.#client,
      selectors: this.#subscribed,
      ...this.#subscription.delay(),
    };
  }

  close(): void {
    this.#closed = true;
    this.#inbox.length = 0;
    for (const barrier of this.#barriers) barrier.cancel();
    this.#barriers.clear();
    this.#batches.close();
    this.#subscription.close();
    // Last: it may grant leases to others, whose answers are sent later.
    if (this.#holder !== undefined) this.#deps.store.closeHolder(this.#holder);
    this.#holder = undefined;
  }

  /** Takes steps while the sink takes frames. Does nothing when it is called from inside a step. */
  #advance(): void {
    if (this.#advancing || this.#closed) return;
    this.#advancing = true;
    try {
      while (!this.#closed && this.#output.ready() && this.#hasTurn() && this.#step());
    } catch (error) {
      this.#deps.telemetry.logger.error({ err: error }, "an exchange failed");
      this.#finish(new CacheError("INTERNAL", "internal error", {}, { cause: error }));
    } finally {
      this.#advancing = false;
    }
  }

  /** False: the turn of the event loop is over, and the next step is taken in a later one. */
  #hasTurn(): boolean {
    const { memory } = this.#deps;
    if (memory?.turns.over !== true) return true;
    if (!this.#waitsForTurn) {
      this.#waitsForTurn = true;
      memory.turns.goOn(memory, this.#takeTurn);
    }
    return false;
  }

  readonly #takeTurn = (): void => {
    this.#waitsForTurn = false;
    if (this.#closed) return;
    this.#advance();
    this.#deps.unpaused?.();
  };

  /** Events first, then answers, then the rest of the running batch, then the next request. False: nothing more to do now. */
  #step(): boolean {
    const state = this.#subscription.sendPending(this.#sendFeedFrame);
    if (state === "later") this.#advanceLater();
    if (state !== "caughtUp") return false;
    if (this.#batches.sendAnswer(this.#output) || this.#batches.runChunk()) return true;
    if (this.#batches.running || this.#isSubscribing || this.#barriers.size >= BARRIERS_MAX) return false;
    const request = this.#inbox.shift();
    if (request !== undefined) {
      this.#handle(request);
      return true;
    }
    if (this.#halfClosed && !this.#batches.waiting) this.#finish();
    return false;
  }

  #handle({ id, frame }: ExchangeRequest): void {
    this.#deps.memory?.turns.spend(FRAME_WORK_BYTES);
    // Responses are told apart by their ids: a client that repeats one cannot be answered.
    if (id <= this.#lastId) {
      this.#finish(fieldInvalid("id", "greater than any before on this stream"));
      return;
    }
    this.#lastId = id;
    const caller = this.#caller;
    if (caller === undefined && frame.case !== "open") {
      this.#finish(fieldInvalid("frame", "open in the first frame"));
      return;
    }
    try {
      if (frame.case === "open") this.#open(id, frame.value);
      else if (caller !== undefined) this.#answer(id, frame, caller);
    } catch (error) {
      this.#batches.inOrder(() => this.#refuse(id, frame.case, error));
    }
  }

  /** The error is the answer to the frame. */
  #refuse(id: bigint, frame: ExchangeRequest["frame"]["case"], error: unknown): void {
    if (isFault(error)) this.#deps.telemetry.logger.error({ err: error, frame }, "a frame failed");
    this.#deps.refusals?.add(error);
    this.#deps.memory?.turns.spend(ERROR_WORK_BYTES);
    this.#output.send({ case: "error", value: toStatus(error) }, id);
  }

  /** Answers a frame when the store has passed a barrier: at once, if it answers at once. */
  #afterBarrier(id: bigint, frame: "subscription" | "ping", run: () => void): void {
    const { store } = this.#deps;
    if (store.remote === undefined) {
      run();
      return;
    }
    if (frame === "subscription") this.#isSubscribing = true;
    const place = this.#batches.reserve();
    const barrier = store.barrier((error) => {
      this.#barriers.delete(barrier);
      place.fill(() => {
        if (frame === "subscription") this.#isSubscribing = false;
        try {
          if (error instanceof Error) throw toFailure(error);
          run();
        } catch (failure) {
          this.#refuse(id, frame, failure);
        }
      });
    });
    this.#barriers.add(barrier);
  }

  #open(id: bigint, { clientId, predecessorToken, library, libraryVersion }: Open): void {
    const { store, limits, span, memory, access } = this.#deps;
    if (this.#caller !== undefined) throw fieldInvalid("open", "given once");
    const checkedId = checkClientId(clientId, limits, "client_id");
    this.#client = {
      library: checkLibrary(library, "library"),
      libraryVersion: checkLibrary(libraryVersion, "library_version"),
    };
    this.#holder = store.openHolder(predecessorToken);
    this.#caller = {
      span: span ?? UNSAMPLED_CALL,
      clientId: checkedId,
      ...(memory !== undefined && { memory }),
      access,
      leaseHolder: this.#holder.id,
    };
    const opened = toOpened(store, NO_BYTES, this.#openedLimits);
    this.#output.send({ ...opened, value: { ...opened.value, streamToken: this.#holder.token } }, id);
  }

  #answer(id: bigint, frame: Exclude<ExchangeRequest["frame"], { case: "open" }>, caller: Caller): void {
    switch (frame.case) {
      case "subscription":
        this.#subscribe(id, frame.value);
        return;
      case "batch":
        this.#batches.start(id, frame.value, caller);
        return;
      case "ping": {
        const { nonce } = frame.value;
        if (nonce === 0n) throw fieldInvalid("nonce", "not 0");
        this.#afterBarrier(id, "ping", () => this.#output.send(this.#subscription.progress(nonce), id));
        return;
      }
      case "ack":
        this.#subscription.acknowledge(frame.value.cursor);
        return;
      case undefined:
        throw fieldInvalid("frame", "one of open, subscription, batch, ping and ack");
      default:
        frame satisfies never;
    }
  }

  #subscribe(id: bigint, subscription: Subscription): void {
    const { limits, access } = this.#deps;
    const asked = fromSelectors(subscription.selectors, limits);
    // Behind the barrier: until then the permissions may be others.
    this.#afterBarrier(id, "subscription", () => {
      const denied = subscription.permittedOnly ? deniedSelectors(access, asked) : [];
      const selectors = asked.filter((_, at) => !denied.includes(at));
      const denial = selectorDenial(access, selectors);
      if (denial !== undefined) throw denial;
      const opened = this.#subscription.subscribe(selectors, subscription.cursor);
      if (opened.case === "opened") opened.value.deniedSelectors = denied;
      this.#output.send(opened, id);
      this.#subscribed = selectors;
    });
  }

  #finish(error?: CacheError): void {
    if (this.#closed) return;
    this.close();
    this.#output.end(error);
  }
}
