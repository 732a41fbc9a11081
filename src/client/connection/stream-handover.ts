/**
 * The streams of a connection, and the move from one to the next. The primary stream carries calls and its events count.
 * A candidate is being opened and becomes the primary once it is ready; the replaced stream is then kept until it has
 * answered its calls.
 */

import type { Event, Gap } from "../../../gen/meshcache/v1/cache_pb.ts";
import { NO_BYTES } from "../../common/bytes.ts";
import type { Timer } from "../../common/clock.ts";
import type { CacheError } from "../../common/errors.ts";
import { toConnectionError } from "../../rpc/connection-problem.ts";
import { ASSUMED_LIMITS, type ServerLimits } from "../api/server-limits.ts";
import { ExchangeStream, type StreamDeps, type StreamHandlers } from "./exchange-stream.ts";
import { unavailable } from "./failures.ts";
import type { Call } from "./pending-call.ts";
import type { SentPing } from "./sent-pings.ts";

/** What the connection is told of its streams. What a candidate says is held back until it is the primary. */
export interface HandoverHandlers {
  /** The candidate is the primary now. What was held back of it comes next. */
  promoted(stream: ExchangeStream): void;
  /** The new primary could not resume where the last one ended: the events between are lost. */
  missedEvents(stream: ExchangeStream): void;
  /** Nothing is held back of the new primary any more. */
  promotionDone(stream: ExchangeStream): void;
  /** The primary answered a Subscription. */
  subscribed(stream: ExchangeStream): void;
  /** A stream has no valid subscription: subscribe it with `stream.limits`, which its server has said by now. */
  subscribeAgain(stream: ExchangeStream): void;
  events(events: readonly Event[]): void;
  /** Events of a replaced stream. The primary delivers them again, in their order, but perhaps later. */
  eventsOfReplaced(events: readonly Event[]): void;
  gap(gap: Gap): void;
  progress(ping: SentPing | undefined): void;
  draining(): void;
  /** The connection of the stream is to end. */
  goesAway(): void;
  released(calls: readonly Call[]): void;
  drained(): void;
  /** A stream ended, and `unanswered` may or may not have taken effect. `role`: what it was until then. */
  closed(stream: ExchangeStream, role: StreamRole, error: CacheError, unanswered: readonly Call[]): void;
}

export type StreamRole = "candidate" | "primary" | "replaced";

export class StreamHandover implements StreamHandlers {
  readonly #deps: StreamDeps;
  readonly #connectTimeoutMs: number;
  readonly #handlers: HandoverHandlers;
  #primary: ExchangeStream | undefined;
  #candidate: ExchangeStream | undefined;
  /** Replaced streams that still owe answers. */
  readonly #replaced = new Set<ExchangeStream>();
  /** What the candidate said before it was ready. */
  #heldBack: (() => void)[] = [];
  /** Where the last primary stood when it ended. */
  #cursor: Uint8Array = NO_BYTES;
  /** The limits that a server said last: the guess for the next stream. */
  #limits: ServerLimits = ASSUMED_LIMITS;
  #connectTimer: Timer | undefined;

  constructor(deps: StreamDeps, connectTimeoutMs: number, handlers: HandoverHandlers) {
    this.#deps = deps;
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#handlers = handlers;
  }

  get primary(): ExchangeStream | undefined {
    return this.#primary;
  }

  get candidate(): ExchangeStream | undefined {
    return this.#candidate;
  }

  /** Opens the candidate, which resumes where the primary stands or stood, and takes its leases over. Throws what the transport throws. */
  open(address: string): ExchangeStream {
    const cursor = this.#primary?.cursor ?? this.#cursor;
    const stream = new ExchangeStream(
      address,
      cursor,
      this.#predecessorToken(),
      this.#limits,
      this.#deps,
      this,
    );
    this.#candidate = stream;
    this.#connectTimer = this.#deps.clock.schedule(this.#connectTimeoutMs, () => {
      const what = `no answer came within connectTimeoutMs, which is ${this.#connectTimeoutMs} ms`;
      stream.cut(toConnectionError(address, { problem: "silent", what }));
    });
    return stream;
  }

  /** Some stream may still answer calls. */
  get mayAnswer(): boolean {
    return this.#primary !== undefined || this.#replaced.size > 0;
  }

  /** The primary gets no more calls, and ends once it has answered those that it has. The next one resumes after it. */
  retirePrimary(): void {
    const retired = this.#primary;
    if (retired === undefined) return;
    this.#primary = undefined;
    this.#cursor = retired.cursor;
    this.#replaced.add(retired);
    this.#cutIfAnswered(retired);
  }

  /** Ends all streams with `error`. */
  close(error: CacheError): void {
    this.#connectTimer?.cancel();
    for (const stream of [this.#primary, this.#candidate, ...this.#replaced]) stream?.cut(error);
  }

  // ---- What the streams say ------------------------------------------------------------------------------

  opened(stream: ExchangeStream): void {
    this.#limits = stream.limits;
    if (stream === this.#primary) this.#handlers.subscribed(stream);
    else if (stream === this.#candidate && stream.ready) this.#promote(stream);
  }

  subscribeAgain(stream: ExchangeStream): void {
    if (stream === this.#primary || stream === this.#candidate) this.#handlers.subscribeAgain(stream);
  }

  events(stream: ExchangeStream, events: readonly Event[]): void {
    if (stream === this.#primary) this.#handlers.events(events);
    else if (this.#replaced.has(stream)) this.#handlers.eventsOfReplaced(events);
    else this.#passOn(stream, () => this.#handlers.events(events));
  }

  gap(stream: ExchangeStream, gap: Gap): void {
    this.#passOn(stream, () => this.#handlers.gap(gap));
  }

  progress(stream: ExchangeStream, ping: SentPing | undefined): void {
    this.#passOn(stream, () => this.#handlers.progress(ping));
  }

  draining(stream: ExchangeStream): void {
    this.#passOn(stream, () => this.#handlers.draining());
  }

  goesAway(stream: ExchangeStream): void {
    this.#passOn(stream, () => this.#handlers.goesAway());
  }

  released(calls: readonly Call[]): void {
    this.#handlers.released(calls);
    for (const stream of this.#replaced) this.#cutIfAnswered(stream);
  }

  drained(): void {
    this.#handlers.drained();
  }

  closed(stream: ExchangeStream, error: CacheError, unanswered: readonly Call[]): void {
    this.#handlers.closed(stream, this.#forget(stream), error, unanswered);
  }

  // ---- The move ------------------------------------------------------------------------------------------

  #promote(stream: ExchangeStream): void {
    this.#connectTimer?.cancel();
    const replaced = this.#primary;
    this.#primary = stream;
    this.#candidate = undefined;
    this.#handlers.promoted(stream);
    if (replaced !== undefined) {
      this.#replaced.add(replaced);
      this.#cutIfAnswered(replaced);
    }
    if (stream.missedEvents) this.#handlers.missedEvents(stream);
    for (const handle of this.#heldBack.splice(0)) handle();
    this.#handlers.promotionDone(stream);
  }

  /** The server may send a candidate what it missed before it is ready, and does not send that again. */
  #passOn(stream: ExchangeStream, handle: () => void): void {
    if (stream === this.#primary) handle();
    else if (stream === this.#candidate) this.#heldBack.push(handle);
  }

  /** Of a stream that still lives: what was granted on a lost one may not have been heard of. */
  #predecessorToken(): bigint {
    const predecessor = this.#primary ?? [...this.#replaced].at(-1);
    return predecessor?.token ?? 0n;
  }

  #cutIfAnswered(replaced: ExchangeStream): void {
    if (replaced.unanswered === 0) replaced.cut(unavailable("replaced by the next stream"));
  }

  #forget(stream: ExchangeStream): StreamRole {
    if (this.#replaced.delete(stream)) return "replaced";
    if (stream === this.#primary) {
      this.#primary = undefined;
      this.#cursor = stream.cursor;
      return "primary";
    }
    this.#candidate = undefined;
    this.#heldBack = [];
    this.#connectTimer?.cancel();
    return "candidate";
  }
}
