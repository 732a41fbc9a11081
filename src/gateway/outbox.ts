/** The frames that a handler sends on a server stream, until the Connect library takes them one by one. */
import type { GrpcFrame } from "../codec/framing/grpc-frame.ts";
import type { CacheError } from "../common/errors.ts";
import type { StreamingCall } from "../server/calls/handler-call.ts";
import type { ConnectionMemory } from "../server/limits/connection-memory.ts";
import { toConnectError } from "./connect-error.ts";
import type { HttpCall } from "./http-call.ts";

interface Waiting {
  readonly frame: GrpcFrame;
  readonly taken: (heldBytes: number) => void;
}

export class Outbox implements StreamingCall {
  readonly #call: HttpCall;
  /** Few: the queue of the stream bounds their bytes. */
  readonly #frames: Waiting[] = [];
  /** What the library has, until it asks for the next: it has been sent by then. */
  #sent: Waiting | undefined;
  #over = false;
  #error: CacheError | undefined;
  #wake: (() => void) | undefined;

  constructor(call: HttpCall) {
    this.#call = call;
  }

  get open(): boolean {
    return !this.#over && this.#call.refusal === undefined;
  }

  get connectionMemory(): ConnectionMemory {
    return this.#call.connectionMemory;
  }

  send(frame: GrpcFrame, taken: (heldBytes: number) => void): void {
    this.#frames.push({ frame, taken });
    this.#awaken();
  }

  end(error?: CacheError): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    this.#awaken();
  }

  readOn(): void {}

  /** The next frame, whose bytes are good until it is asked again. Undefined: the stream has ended. Throws its error. */
  async next(): Promise<GrpcFrame | undefined> {
    this.#release();
    for (;;) {
      const next = this.#frames.shift();
      if (next !== undefined) {
        this.#sent = next;
        return next.frame;
      }
      if (this.#over) {
        if (this.#error !== undefined) throw toConnectError(this.#error);
        return undefined;
      }
      await this.#call.orEnd(
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
      );
    }
  }

  /** Nobody asks any more. */
  close(): void {
    this.#over = true;
    this.#release();
    this.#frames.length = 0;
  }

  #awaken(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #release(): void {
    const sent = this.#sent;
    this.#sent = undefined;
    if (sent === undefined) return;
    const { heldBytes } = sent.frame;
    sent.frame.release();
    sent.taken(heldBytes);
  }
}
