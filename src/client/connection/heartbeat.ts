/** Pings a stream at an interval, acknowledges what was processed, and ends a stream that stopped answering. */
import type { Clock, Timer } from "../../common/clock.ts";
import type { ExchangeStream } from "./exchange-stream.ts";
import { unavailable } from "./failures.ts";

export interface HeartbeatOptions {
  readonly pingMs: number;
  /** A stream that leaves a ping unanswered for longer is ended. */
  readonly silenceMaxMs: number;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  /** The stream was over its limit of silence at the last beat. */
  #wasSilent = false;

  constructor(options: HeartbeatOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Beats for this stream at once and from now on, and no longer for the one before. */
  start(stream: ExchangeStream): void {
    this.stop();
    this.#wasSilent = false;
    this.#beat(stream);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #beat(stream: ExchangeStream): void {
    const isSilent = stream.silenceMs() > this.#options.silenceMaxMs;
    // After a pause of this process the answers may wait to be read: only a second silent beat proves a dead stream.
    if (isSilent && this.#wasSilent) {
      stream.cut(unavailable("the server stopped answering"));
      return;
    }
    this.#wasSilent = isSilent;
    stream.pulse();
    this.#timer = this.#clock.schedule(this.#options.pingMs, () => this.#beat(stream));
  }
}
