/** The sending side of one Exchange: numbers its frames and remembers whether the sink takes more. */
import type { ExchangeResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { CacheError } from "../../common/errors.ts";

export interface FrameSink {
  /** False: there is no room or memory for a frame now, wait for `drained()`. Default: true. */
  ready?(): boolean;
  /** False: over the high-water mark, wait for `drained()`. The frame was taken nevertheless. */
  send(frame: ExchangeResponse): boolean;
  /** Ends the stream; an error becomes the status of the call. */
  end(error?: CacheError): void;
}

export class FrameOutput {
  readonly #sink: FrameSink;
  #sequence = 0n;
  #writable = true;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** False between a `send` that returned false and the next `drained()`. */
  get writable(): boolean {
    return this.#writable;
  }

  /** Asks the sink too. False: wait for `drained()`. */
  ready(): boolean {
    if (this.#writable && this.#sink.ready?.() === false) this.#writable = false;
    return this.#writable;
  }

  /** `id`: of the request that the frame answers; 0 for none. `more`: further frames answer the same request. */
  send(frame: ExchangeResponse["frame"], id = 0n, more = false): boolean {
    this.#sequence += 1n;
    const sequence = this.#sequence;
    this.#writable = this.#sink.send({
      $typeName: "meshcache.v1.ExchangeResponse",
      id,
      frame,
      sequence,
      more,
    });
    return this.#writable;
  }

  /** The sink takes frames again. */
  drained(): void {
    this.#writable = true;
  }

  end(error?: CacheError): void {
    this.#sink.end(error);
  }
}
