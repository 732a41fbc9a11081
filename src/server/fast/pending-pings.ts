/** Pings of the server that wait for their answers, by the numbers in their bodies. */
import { Buffer } from "node:buffer";
import { PING_BYTES } from "../../http2/frame.ts";
import { PINGS_MAX } from "../limits/transport-limits.ts";

const NUMBER_END = 2 ** 32;

export class PendingPings {
  /** In the order of their numbers, which count up from `#answered`. */
  readonly #waiting: (() => void)[] = [];
  #answered = 0;

  /** The body of a new ping. Undefined: too many wait. */
  add(answered: () => void): Buffer | undefined {
    if (this.#waiting.length >= PINGS_MAX) return undefined;
    const body = Buffer.alloc(PING_BYTES);
    body.writeUInt32BE((this.#answered + this.#waiting.length) % NUMBER_END);
    this.#waiting.push(answered);
    return body;
  }

  /** Answers come in order. False: it is no answer to the oldest ping. */
  answer(body: Buffer): boolean {
    const answered = this.#waiting[0];
    if (answered === undefined || body.readUInt32BE() !== this.#answered % NUMBER_END) return false;
    this.#waiting.shift();
    this.#answered += 1;
    answered();
    return true;
  }
}
