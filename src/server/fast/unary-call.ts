/** One unary call over http2: gathers its request, has its method answer it, and sends the answer or a status. */

import { status } from "@grpc/grpc-js";
import { type GrpcFrame, PREFIX_BYTES } from "../../codec/framing/grpc-frame.ts";
import { NO_BUFFER } from "../../common/bytes.ts";
import { CacheError, limitExceeded } from "../../common/errors.ts";
import type { CallSpan } from "../../telemetry/telemetry.ts";
import type { HeaderReader } from "../calls/registry.ts";
import {
  ANSWER_HEADERS,
  COMPRESSED_REQUEST,
  DirectCall,
  NO_REQUEST,
  OK_TRAILERS,
  type Refusal,
  SECOND_REQUEST,
} from "./call.ts";

/** A method that is answered as soon as its request is whole. */
export interface DirectUnaryMethod {
  readonly path: string;
  readonly requestStream: false;
  /** Throws what becomes the status of the call. */
  answer(message: Uint8Array, span: CallSpan, header: HeaderReader): GrpcFrame;
}

export class DirectUnary extends DirectCall<DirectUnaryMethod> {
  readonly streaming = false;
  /** What has come of the request, its prefix included, and behind it room for more. */
  #memory: Buffer = NO_BUFFER;
  #receivedBytes = 0;

  begin(): void {
    const { stream } = this;
    this.enter();
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    stream.on("end", () => this.#requested());
  }

  #take(chunk: Buffer): void {
    if (this.answered) return;
    const { receiveMaxBytes } = this.deps.limits;
    this.#append(chunk);
    const messageBytes = this.#messageBytes();
    if (messageBytes > receiveMaxBytes) {
      this.refuse(limitExceeded("receive_max_bytes", String(receiveMaxBytes)));
    } else if (this.#receivedBytes > PREFIX_BYTES + messageBytes) this.conclude(SECOND_REQUEST);
  }

  /** The room doubles: many small chunks are not copied again and again, and a prefix that lies is not believed. */
  #append(chunk: Buffer): void {
    const before = this.#receivedBytes;
    this.#receivedBytes += chunk.length;
    if (before === 0) {
      this.#memory = chunk;
      return;
    }
    if (this.#receivedBytes > this.#memory.length) {
      const grown = Buffer.allocUnsafe(2 * this.#receivedBytes);
      this.#memory.copy(grown, 0, 0, before);
      this.#memory = grown;
    }
    chunk.copy(this.#memory, before);
  }

  /** By its prefix; 0 as long as that has not come. */
  #messageBytes(): number {
    return this.#receivedBytes < PREFIX_BYTES ? 0 : this.#memory.readUInt32BE(1);
  }

  #requested(): void {
    this.halfClosed = true;
    if (this.answered) return;
    if (this.#receivedBytes < PREFIX_BYTES || this.#receivedBytes < PREFIX_BYTES + this.#messageBytes()) {
      this.conclude(NO_REQUEST);
    } else if (this.#memory[0] !== 0) this.conclude(COMPRESSED_REQUEST);
    else if (this.deadlineMs < Number.POSITIVE_INFINITY && this.deps.clock.nowMs() >= this.deadlineMs) {
      this.refuse(new CacheError("DEADLINE", "the call's deadline has passed"));
    } else this.#answer(this.#memory.subarray(PREFIX_BYTES, this.#receivedBytes));
  }

  #answer(message: Buffer): void {
    const span = this.ownSpan;
    try {
      this.#send(this.method.answer(message, span, this.header));
    } catch (error) {
      this.refuse(error);
    }
  }

  #send(frame: GrpcFrame): void {
    const { stream } = this;
    if (!this.fits(frame) || !this.settle(status.OK)) return;
    stream.respond(ANSWER_HEADERS, { waitForTrailers: true });
    stream.once("wantTrailers", () => stream.sendTrailers(OK_TRAILERS));
    stream.end(
      frame.bytes,
      this.guard((error?: Error | null) => {
        // What was cut off may still be on its way to the socket.
        if (!error) frame.release();
      }),
    );
  }

  protected override conclude(refusal: Refusal): void {
    this.#memory = NO_BUFFER;
    super.conclude(refusal);
  }
}
