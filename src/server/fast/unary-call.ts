/** One unary call without grpc-js: gathers its request, runs its handler, and sends the response or a status. */

import { Buffer } from "node:buffer";
import type { IncomingHttpHeaders } from "node:http2";
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { type GrpcFrame, PREFIX_BYTES } from "../../codec/framing/grpc-frame.ts";
import { freeMemory, returnMemory, STEP_BYTES, takeMemory } from "../../codec/framing/message-memory.ts";
import { encodeFrame } from "../../codec/messages.ts";
import { NO_BUFFER } from "../../common/bytes.ts";
import { CacheError, limitExceeded } from "../../common/errors.ts";
import { decodeRequest } from "../calls/decode-request.ts";
import type { UnaryHandler } from "../calls/handler.ts";
import { toServiceError } from "../calls/service-error.ts";
import { CALL_WORK_BYTES } from "../limits/work.ts";
import {
  ANSWER_HEADERS,
  COMPRESSED_REQUEST,
  FastCall,
  type MethodKind,
  NO_REQUEST,
  type Refusal,
  SECOND_REQUEST,
} from "./call.ts";

interface FastUnaryMethod extends MethodKind {
  readonly requestStream: false;
  readonly input: DescMessage;
  readonly output: DescMessage;
  readonly handler: UnaryHandler<Message, Message>;
}

/** Made once: an overloaded server has little time for those who have gone. */
const DEADLINE_PASSED: Refusal = toServiceError(new CacheError("DEADLINE", "the call's deadline has passed"));

export class FastUnaryCall extends FastCall<FastUnaryMethod> {
  readonly streaming = false;
  /** What has come of the request, its prefix included, and behind it room for more. */
  #memory: Buffer = NO_BUFFER;
  /** What the request lies in, as long as anybody may read it. */
  #owned: Buffer | undefined;
  #isPooled = false;
  #receivedBytes = 0;
  /** Its handler has the request, until it settles. */
  #ran = false;
  /** What a handler waits for that answers later. */
  #pending: ReturnType<UnaryHandler<Message, Message>["run"]>;

  /** It is never paused. */
  recount(): void {}

  begin(headers: IncomingHttpHeaders): void {
    this.enter(headers);
  }

  override streamClosed(): void {
    super.streamClosed();
    if (!this.#ran) this.#freeRequest();
    this.#stopWaiting();
  }

  dataCame(chunk: Buffer): void {
    this.arrived(chunk.length);
    if (this.answered) return;
    const { requestMaxBytes } = this.method;
    this.#append(chunk);
    const messageBytes = this.#messageBytes();
    if (!this.holdRequest(this.#memory.length)) return;
    if (messageBytes > requestMaxBytes) {
      this.refuse(limitExceeded("receive_max_bytes", String(requestMaxBytes)));
    } else if (this.#receivedBytes > PREFIX_BYTES + messageBytes) this.conclude(SECOND_REQUEST);
  }

  /**
   * The room doubles, so that many small chunks are not copied again and again. It never trusts the length in the prefix
   * with more, and takes no more than that length.
   */
  #append(chunk: Buffer): void {
    const before = this.#receivedBytes;
    this.#receivedBytes += chunk.length;
    if (before === 0) {
      this.#memory = chunk;
      this.#owned = chunk;
      return;
    }
    if (this.#receivedBytes > this.#memory.length) {
      const wholeBytes =
        before < PREFIX_BYTES ? Number.POSITIVE_INFINITY : PREFIX_BYTES + this.#memory.readUInt32BE(1);
      const roomBytes = Math.max(this.#receivedBytes, Math.min(2 * this.#receivedBytes, wholeBytes));
      const pooled = roomBytes < STEP_BYTES ? undefined : takeMemory(roomBytes);
      const grown = pooled ?? Buffer.allocUnsafe(roomBytes);
      this.#memory.copy(grown, 0, 0, before);
      this.#freeRequest();
      this.#memory = grown;
      this.#owned = grown;
      this.#isPooled = pooled !== undefined;
    }
    chunk.copy(this.#memory, before);
  }

  /** Nobody reads the request any more. */
  #freeRequest(): void {
    const owned = this.#owned;
    if (owned === undefined) return;
    this.#owned = undefined;
    if (this.#isPooled) returnMemory(owned);
    else freeMemory(owned);
  }

  /** As its prefix says; 0 until that has come. */
  #messageBytes(): number {
    return this.#receivedBytes < PREFIX_BYTES ? 0 : this.#memory.readUInt32BE(1);
  }

  requestEnded(): void {
    this.halfClosed = true;
    if (this.answered) return;
    if (this.#receivedBytes < PREFIX_BYTES || this.#receivedBytes < PREFIX_BYTES + this.#messageBytes()) {
      this.conclude(NO_REQUEST);
    } else if (this.#memory[0] !== 0) this.conclude(COMPRESSED_REQUEST);
    else if (this.connectionMemory.turns.admits(this.connectionMemory)) this.#begin();
    else this.#waitForTurn();
  }

  #waitForTurn(): void {
    const memory = this.connectionMemory;
    memory.turns.wait(memory, () => this.#beginLate());
  }

  #beginLate(): void {
    if (this.open) this.#begin();
  }

  /** Its peer may have to take other answers first, or the peers of other connections. */
  #begin(): void {
    const memory = this.connectionMemory;
    if (this.deadlineMs < Number.POSITIVE_INFINITY && this.deps.clock.nowMs() >= this.deadlineMs) {
      memory.turns.spend(CALL_WORK_BYTES);
      this.conclude(DEADLINE_PASSED);
    } else if (memory.admitsAnswer()) this.#run();
    else memory.wait(() => this.#beginLate());
  }

  #run(): void {
    const { input, handler } = this.method;
    const message = this.#memory.subarray(PREFIX_BYTES, this.#receivedBytes);
    this.connectionMemory.turns.spend(CALL_WORK_BYTES + message.length);
    this.#memory = NO_BUFFER;
    this.#ran = true;
    try {
      const request = decodeRequest(input, message, this.deps.limits);
      this.#pending = handler.run(request, this.context(), (outcome) => this.#settle(outcome));
    } catch (error) {
      this.fail(error);
    } finally {
      this.holdRequest(0);
    }
  }

  #stopWaiting(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    try {
      pending?.cancel();
    } catch (error) {
      this.deps.boundary.caught(this.stream, error);
    }
  }

  /** Contains what fails here: it may run inside the call of another peer. */
  #settle(outcome: Message | CacheError): void {
    this.#pending = undefined;
    try {
      if (outcome instanceof CacheError) this.fail(outcome);
      else this.#respond(outcome);
    } catch (error) {
      this.deps.boundary.caught(this.stream, error);
    }
    this.#freeRequest();
  }

  #respond(response: Message): void {
    // Its peer may have gone while the answer waited for its turn.
    if (!this.open) return;
    let frame: GrpcFrame;
    try {
      frame = encodeFrame(this.method.output, response);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.connectionMemory.turns.spend(frame.bytes.length);
    this.#send(frame);
  }

  #send(frame: GrpcFrame): void {
    const { stream } = this;
    const { heldBytes } = frame;
    if (!this.fits(frame) || !this.setStatus(status.OK)) return;
    stream.respond(ANSWER_HEADERS, { waitForTrailers: true });
    this.holdAnswer(heldBytes);
    stream.end(
      frame.bytes,
      this.guard(() => {
        frame.release();
        this.freeAnswer();
        this.written(heldBytes);
      }),
    );
  }

  protected override conclude(refusal: Refusal): void {
    this.#memory = NO_BUFFER;
    this.holdRequest(0);
    super.conclude(refusal);
    this.#stopWaiting();
    this.#freeRequest();
  }
}
