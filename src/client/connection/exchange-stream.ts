/**
 * One Exchange stream: sends the client's frames with their ids, checks the numbers of the server's frames, and hands each
 * to what it is about. It lives as long as its link; stream-handover.ts decides when there is one.
 */
import { isDeepStrictEqual } from "node:util";
import type {
  Event,
  ExchangeRequest,
  ExchangeResponse,
  Gap,
  Opened,
  OperationResult,
  Selector,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Clock } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import { VERSION } from "../../common/version.ts";
import { fromLimitsMessage } from "../../rpc/limits-message.ts";
import { fromStatus } from "../../rpc/status.ts";
import { ASSUMED_LIMITS, type ServerLimits } from "../api/server-limits.ts";
import type { EndedEpoch } from "../coherence/coherence.ts";
import type { LeaseClock } from "../coherence/lease-clock.ts";
import { type Cover, NO_COVER } from "../coherence/selector-cover.ts";
import type { SubscriptionPlan } from "../coherence/subscription-set.ts";
import { ExchangeRequestMessage } from "../messages/requests.ts";
import {
  type Link,
  type LinkHandlers,
  type MessageLimits,
  RECEIVE_MAX_BYTES,
  type Transport,
} from "../transport/transport.ts";
import { unavailable } from "./failures.ts";
import type { Call } from "./pending-call.ts";
import { SentBatches } from "./sent-batches.ts";
import { type SentPing, SentPings } from "./sent-pings.ts";
import { isCursorTaken, StreamSubscription } from "./stream-subscription.ts";

/** What a stream tells its owner, in the order of the frames. */
export interface StreamHandlers {
  /** The server answered Open or a Subscription; with the latter `stream.live` has changed. */
  opened(stream: ExchangeStream): void;
  /** The last subscription was not sent, or was refused: it is to be made with `stream.limits`. */
  subscribeAgain(stream: ExchangeStream): void;
  events(stream: ExchangeStream, events: readonly Event[]): void;
  gap(stream: ExchangeStream, gap: Gap): void;
  /** `ping`: the one that it answers. */
  progress(stream: ExchangeStream, ping: SentPing | undefined): void;
  draining(stream: ExchangeStream): void;
  /** The connection of the stream is to end, and the stream with it. */
  goesAway(stream: ExchangeStream): void;
  /** Calls of a batch, perhaps not yet all, were answered or refused. */
  released(calls: readonly Call[]): void;
  drained(stream: ExchangeStream): void;
  /** The stream is over. `unanswered` may or may not have taken effect. */
  closed(stream: ExchangeStream, error: CacheError, unanswered: readonly Call[]): void;
}

export interface StreamDeps {
  readonly clock: Clock;
  readonly leaseClock: LeaseClock;
  readonly transport: Transport;
  readonly clientId: string;
}

type Frame = ExchangeRequest["frame"];

/** What this client says of itself. */
const LIBRARY = "meshcache-node";

export class ExchangeStream {
  readonly address: string;
  /** The epoch of the server's store. 0n until the server answered Open. */
  epoch = 0n;
  /** The epochs that it continues. */
  predecessors: readonly EndedEpoch[] = [];
  /** How many shards it has. 0 until the server answered Open. */
  shards = 0;
  /** Names this stream to the next one. 0n until the server answered Open, and where the server gave none. */
  token = 0n;
  /** The server's, once it answered Open; until then what the client last knew or assumes. */
  limits: ServerLimits;
  /** The cursor of the last frame that was processed: where the next stream resumes. */
  cursor: Uint8Array;
  /** The link takes no more for now: `drained` tells when it does. */
  congested = false;
  readonly #deps: StreamDeps;
  readonly #handlers: StreamHandlers;
  readonly #link: Link;
  readonly #batches: SentBatches;
  readonly #sendFrame = (frame: Frame): bigint => this.#send(frame);
  readonly #subscription = new StreamSubscription();
  #messageLimits: MessageLimits;
  readonly #pings: SentPings;
  #lastId = 0n;
  #lastSequence = 0;
  #ackedCursor: Uint8Array;
  #over = false;

  /**
   * Sends Open at once. `cursor`: where to resume; empty: from now. `predecessorToken`: of the stream whose leases this one
   * takes over; 0n: none. `limits`: the client's best guess until the server says its own. Throws what the transport throws for an address or credentials that it cannot use.
   */
  constructor(
    address: string,
    cursor: Uint8Array,
    predecessorToken: bigint,
    limits: ServerLimits,
    deps: StreamDeps,
    handlers: StreamHandlers,
  ) {
    this.address = address;
    this.limits = limits;
    this.#messageLimits = messageLimitsOf(limits);
    this.cursor = cursor;
    this.#ackedCursor = cursor;
    this.#deps = deps;
    this.#handlers = handlers;
    this.#batches = new SentBatches((calls) => handlers.released(calls));
    this.#pings = new SentPings(deps.clock);
    const linkHandlers: LinkHandlers = {
      messageLimits: () => this.#messageLimits,
      frame: (frame) => this.#receive(frame),
      drained: () => {
        this.congested = false;
        if (!this.#over) handlers.drained(this);
      },
      goesAway: () => {
        if (!this.#over) handlers.goesAway(this);
      },
      closed: (error) => this.#end(error ?? unavailable("the server ended the stream")),
    };
    this.#link = deps.transport.open(address, linkHandlers);
    try {
      const { clientId } = deps;
      const library = { library: LIBRARY, libraryVersion: VERSION };
      this.#send({
        case: "open",
        value: { $typeName: "meshcache.v1.Open", clientId, predecessorToken, ...library },
      });
    } catch (error) {
      this.#over = true;
      this.#link.close();
      throw error;
    }
  }

  /** Batches that were sent here and not answered. */
  get unanswered(): number {
    return this.#batches.size;
  }

  /** The batches in flight that do not wait for a lease. */
  get busy(): number {
    return this.#batches.size - this.#batches.alone;
  }

  /** The batches in flight that may wait for a lease. */
  get waiting(): number {
    return this.#batches.alone;
  }

  /** The server has answered Open. */
  get hasOpened(): boolean {
    return this.epoch !== 0n;
  }

  /** The server has answered Open and every Subscription so far. */
  get ready(): boolean {
    return this.hasOpened && this.#subscription.isAnswered;
  }

  /** What the newest answered subscription of this stream covers. */
  get live(): Cover {
    return this.#subscription.live;
  }

  /** The same, as far as the subscriptions cover it that were sent since. */
  get cover(): Cover {
    return this.#subscription.cover;
  }

  /** What the newest subscription covers, once it is answered. */
  get asked(): Cover {
    return this.#subscription.plan?.cover ?? NO_COVER;
  }

  /** The namespaces whose events the server denies this client. */
  get denied(): ReadonlySet<string> {
    return this.#subscription.denied;
  }

  /** What the first subscription covers, once it is answered. */
  get firstCover(): Cover {
    return this.#subscription.firstCover;
  }

  /** What the first subscription was for. */
  get firstPlan(): SubscriptionPlan | undefined {
    return this.#subscription.firstPlan;
  }

  /** The newest subscription is this one. */
  hasPlan(plan: SubscriptionPlan): boolean {
    return this.#subscription.plan === plan;
  }

  /** What was last subscribed to. */
  get selectors(): readonly Selector[] {
    return this.#subscription.selectors;
  }

  /** The events between where this stream was to resume and its subscription are lost. */
  get missedEvents(): boolean {
    return this.#subscription.missedEvents;
  }

  /** How many bytes of the next subscription its cursor takes. */
  get cursorBytes(): number {
    return this.#subscription.cursorBytes(this.cursor, this.limits);
  }

  // ---- Sending -------------------------------------------------------------------------------------------

  /** Subscribes to this instead of what was subscribed to before. The first subscription resumes at `cursor`. */
  subscribe(plan: SubscriptionPlan): void {
    this.#subscription.subscribe(plan, this.cursor, this.limits, this.hasOpened, (value) =>
      this.#sendOrCut({ case: "subscription", value }),
    );
  }

  /** Sends calls as one message. What cannot be sent at all fails by itself. */
  send(calls: readonly Call[]): void {
    this.#batches.send(calls, this.#deps.leaseClock.sentMs(), this.epoch, this.#sendFrame);
  }

  /** Pings, and acknowledges the cursor if it has moved since the last time. */
  pulse(): void {
    const { cursor } = this;
    if (cursor !== this.#ackedCursor && isCursorTaken(cursor, this.limits)) {
      this.#ackedCursor = cursor;
      this.#sendOrCut({ case: "ack", value: { $typeName: "meshcache.v1.Ack", cursor } }, true);
    }
    this.ping();
  }

  ping(answered?: () => void): void {
    const nonce = this.#pings.add(this.#deps.leaseClock.sentMs(), answered);
    this.#sendOrCut({ case: "ping", value: { $typeName: "meshcache.v1.Ping", nonce } });
  }

  /** The clocks have diverged: the pings that are under way renew no lease. */
  forgetLeases(): void {
    this.#pings.forgetLeases();
  }

  /** A ping has no answer yet. */
  get awaitsPing(): boolean {
    return !this.#pings.areAnswered;
  }

  /** How long the oldest ping has been without an answer. 0: every ping is answered. */
  silenceMs(): number {
    return this.#pings.silenceMs();
  }

  /** Ends the stream with `error`. The handlers' `closed` is called with the calls that have no answer. */
  cut(error: CacheError): void {
    if (this.#over) return;
    this.#link.close();
    this.#end(error);
  }

  // ---- Receiving -----------------------------------------------------------------------------------------

  #receive(response: ExchangeResponse): void {
    if (this.#over) return;
    // A missing number means that a frame was lost, and the order of all that follows with it. The next stream resumes
    // from the last frame before it: the server sends again what was lost, or says that it cannot.
    const sequence = Number(response.sequence);
    if (sequence !== this.#lastSequence + 1) {
      this.cut(unavailable("a frame of the stream is missing"));
      return;
    }
    this.#lastSequence = sequence;
    const { frame } = response;
    switch (frame.case) {
      case "opened":
        this.#opened(response.id, frame.value);
        break;
      case "batch":
        this.#answer(response.id, frame.value.results, response.more);
        break;
      case "error": {
        const error = fromStatus(frame.value);
        if (this.#batches.refuse(response.id, error)) break;
        if (isWideSelectorDenied(error)) this.#forgoWideSelectors();
        if (this.#subscription.mayRetry(response.id, this.limits)) this.#handlers.subscribeAgain(this);
        else this.cut(error);
        break;
      }
      case "events":
        this.#handlers.events(this, frame.value.events);
        this.cursor = frame.value.cursor;
        break;
      case "gap":
        this.epoch = frame.value.epoch;
        this.cursor = frame.value.cursor;
        this.#handlers.gap(this, frame.value);
        break;
      case "progress": {
        if (frame.value.cursor.length > 0) this.cursor = frame.value.cursor;
        this.#progress(frame.value.nonce);
        break;
      }
      case "draining":
        this.#handlers.draining(this);
        break;
      case undefined:
        break;
      default:
        frame satisfies never;
    }
  }

  #opened(id: bigint, opened: Opened): void {
    const { epoch, continues, shards, cursor, limits, streamToken, deniedSelectors } = opened;
    const isFirstOpened = !this.hasOpened;
    if (isFirstOpened) this.token = streamToken;
    this.epoch = epoch;
    this.predecessors = continues.map((one) => ({
      epoch: one.epoch,
      endRevisions: one.endRevisions.map(Number),
    }));
    this.shards = shards;
    if (isFirstOpened) this.#followLimits(limits);
    if (this.#subscription.opened(id, this.cursor, deniedSelectors)) this.cursor = cursor;
    if (isFirstOpened && this.#subscription.awaitsLimits) this.#handlers.subscribeAgain(this);
    this.#handlers.opened(this);
  }

  #followLimits(said: Opened["limits"]): void {
    const limits = said === undefined ? ASSUMED_LIMITS : fromLimitsMessage(said, ASSUMED_LIMITS);
    // The same limits stay the same object, so that a change shows by identity.
    if (isDeepStrictEqual(limits, this.limits)) return;
    this.limits = limits;
    this.#messageLimits = messageLimitsOf(limits);
  }

  /** From now on a subscription has one selector for each namespace, as with a server that knows no others. */
  #forgoWideSelectors(): void {
    if (this.limits.namespacePrefixes) this.limits = { ...this.limits, namespacePrefixes: false };
  }

  /** Calls are settled as soon as their part of the answer is here, so that no event between two parts overtakes it. */
  #answer(id: bigint, results: readonly OperationResult[], more: boolean): void {
    if (more) this.#pings.partReceived();
    this.#batches.answer(id, results, more);
  }

  #progress(nonce: bigint): void {
    this.#handlers.progress(this, this.#pings.take(nonce));
  }

  /** Throws when the frame cannot be encoded. */
  #send(frame: Frame, more = false): bigint {
    this.#lastId += 1n;
    const sent = this.#link.send(new ExchangeRequestMessage(this.#lastId, frame), more);
    if (!sent) this.congested = true;
    return this.#lastId;
  }

  /** Sends a frame that belongs to no call. A stream that cannot send it is ended. */
  #sendOrCut(frame: Frame, more = false): bigint {
    try {
      return this.#send(frame, more);
    } catch (cause) {
      this.cut(new CacheError("INTERNAL", "a frame could not be encoded", {}, { cause }));
      return this.#lastId;
    }
  }

  #end(error: CacheError): void {
    if (this.#over) return;
    this.#over = true;
    const unanswered = this.#batches.takeUnanswered();
    this.#pings.clear();
    this.#handlers.closed(this, error, unanswered);
  }
}

/** The policy of the server does not permit all namespaces that a selector reaches. */
function isWideSelectorDenied({ reason, detail }: CacheError): boolean {
  return reason === "PERMISSION_DENIED" && detail.field === "namespace_is_prefix";
}

function messageLimitsOf({ receiveMaxBytes, sendMaxBytes }: ServerLimits): MessageLimits {
  return { sendMaxBytes: receiveMaxBytes, receiveMaxBytes: Math.max(RECEIVE_MAX_BYTES, sendMaxBytes) };
}
