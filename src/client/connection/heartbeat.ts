/**
 * Pings a stream at an interval, acknowledges what was processed, and ends a stream that stopped answering. A stream whose
 * server is gone without a word ends at most one and a half times `silenceMaxMs` after the first ping without an answer.
 * That ping is sent within `pingMs`, or as soon as a call has no answer by its deadline.
 */
import type { Clock, Timer } from "../../common/clock.ts";
import type { ExchangeStream } from "./exchange-stream.ts";
import { unavailable } from "./failures.ts";

export interface HeartbeatOptions {
  readonly pingMs: number;
  /** A stream that leaves a ping unanswered for longer is ended, whatever the lease. */
  readonly silenceMaxMs: number;
}

/** A stream with an unanswered ping is looked at so often within `silenceMaxMs`. */
const LOOKS = 4;

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #clock: Clock;
  readonly #beforePulse: (stream: ExchangeStream) => void;
  #timer: Timer | undefined;
  #pulsedAtMs = Number.NEGATIVE_INFINITY;
  /** The stream was over its limit of silence at the last beat. */
  #wasSilent = false;

  /** `beforePulse` is called just before each ping. */
  constructor(options: HeartbeatOptions, clock: Clock, beforePulse: (stream: ExchangeStream) => void) {
    this.#options = options;
    this.#clock = clock;
    this.#beforePulse = beforePulse;
  }

  /** Beats for this stream at once and from now on, and no longer for the one before. */
  start(stream: ExchangeStream): void {
    this.stop();
    this.#wasSilent = false;
    this.#pulse(stream);
    this.#scheduleBeat(stream);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** A call of this stream has no answer by its deadline: asks now whether the server is there. */
  callOverdue(stream: ExchangeStream): void {
    if (stream.awaitsPing) return;
    this.#pulse(stream);
    this.#timer?.cancel();
    this.#scheduleBeat(stream);
  }

  #beat(stream: ExchangeStream): void {
    const isSilent = stream.silenceMs() > this.#options.silenceMaxMs;
    // After a pause of this process the answers may wait to be read: only a second silent beat proves a dead stream.
    if (isSilent && this.#wasSilent) {
      stream.cut(unavailable("the server stopped answering"));
      return;
    }
    this.#wasSilent = isSilent;
    if (this.#clock.nowMs() - this.#pulsedAtMs >= this.#options.pingMs) this.#pulse(stream);
    this.#scheduleBeat(stream);
  }

  #pulse(stream: ExchangeStream): void {
    this.#pulsedAtMs = this.#clock.nowMs();
    this.#beforePulse(stream);
    stream.pulse();
  }

  #scheduleBeat(stream: ExchangeStream): void {
    const { pingMs, silenceMaxMs } = this.#options;
    const untilPulseMs = Math.max(1, pingMs - (this.#clock.nowMs() - this.#pulsedAtMs));
    const lookMs = stream.awaitsPing ? Math.ceil(silenceMaxMs / LOOKS) : Number.POSITIVE_INFINITY;
    this.#timer = this.#clock.schedule(Math.min(untilPulseMs, lookMs), () => this.#beat(stream));
  }
}
