/** A call that has reached the sidecar: its request, as much of it as is looked at, and the answers of the sidecar itself. */
import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { Boundary } from "../../common/boundary.ts";
import type { ByteBudget } from "../../common/byte-budget.ts";
import type { Clock } from "../../common/clock.ts";
import type { Answer } from "../answer.ts";
import {
  PREFIX_BYTES,
  responseHeaders,
  STATUS,
  statusHeaders,
  toHeaders,
  writeMessage,
} from "./grpc-http2.ts";
import type { SidecarCounts, SidecarLimits } from "./limits.ts";

/** What all calls of a sidecar share. */
export interface CallDeps {
  readonly boundary: Boundary;
  readonly clock: Clock;
  readonly limits: SidecarLimits;
  readonly budget: ByteBudget;
  readonly counts: SidecarCounts;
}

export class IncomingCall {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly #deps: CallDeps;
  #heldBytes = 0;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, deps: CallDeps) {
    this.stream = deps.boundary.contain(stream);
    this.headers = headers;
    this.#deps = deps;
    // A reset is no fault: `close` follows.
    this.stream.on("error", () => {});
    this.stream.once("close", () => deps.budget.give(this.#heldBytes));
  }

  /** It has an answer already, or nobody waits for one. */
  get isOver(): boolean {
    return this.stream.destroyed || this.stream.closed || this.stream.headersSent;
  }

  /** Reads the request, as much of it as is looked at. Calls `done` once, unless the call ends before. */
  collect(done: (body: Buffer, isWhole: boolean) => void): void {
    const { stream } = this;
    const { boundary, clock, counts, limits } = this.#deps;
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = clock.schedule(
      limits.arrivalMaxMs,
      boundary.guard(stream, () => {
        counts.late += 1;
        leave();
        this.end(STATUS.deadlineExceeded, "the request has not arrived in time");
      }),
    );
    const leave = () => {
      timer.cancel();
      stream.off("data", take);
      stream.off("end", finish);
      stream.pause();
    };
    const settle = (isWhole: boolean) => {
      leave();
      done(Buffer.concat(chunks), isWhole);
    };
    const finish = boundary.guard(stream, () => settle(true));
    const take = boundary.guard(stream, (chunk: Buffer) => {
      if (!this.#hold(chunk.length)) {
        leave();
        this.refuse("the proxy holds as many requests as it may");
        return;
      }
      chunks.push(chunk);
      size += chunk.length;
      if (size > limits.messageMaxBytes + PREFIX_BYTES) settle(false);
    });
    stream.on("data", take);
    stream.once("end", finish);
    stream.once("close", () => timer.cancel());
  }

  /** Answers with what is kept. */
  answer({ message, metadata, trailers, code, details }: Answer, mark: string): void {
    const { stream } = this;
    if (this.isOver) return;
    const end = { ...toHeaders(trailers), ...statusHeaders({ code, details }) };
    const headers = { ...toHeaders(metadata), ...responseHeaders(undefined, mark) };
    if (message === undefined) {
      stream.respond({ ...headers, ...end }, { endStream: true });
      return;
    }
    if (!this.#hold(message.length)) {
      this.refuse("the proxy holds as many answers as it may");
      return;
    }
    this.#limitTime();
    stream.respond(headers, { waitForTrailers: true });
    stream.once(
      "wantTrailers",
      this.#deps.boundary.guard(stream, () => stream.sendTrailers(end)),
    );
    stream.end(writeMessage(message));
  }

  /** Beyond a limit. */
  refuse(details: string): void {
    this.#deps.counts.refused += 1;
    this.end(STATUS.resourceExhausted, details);
  }

  /** Ends it with an error, and lets the rest of its request go. */
  end(code: number, details: string, more: OutgoingHttpHeaders = {}): void {
    if (this.isOver) return;
    const { stream } = this;
    const headers = { ...responseHeaders(undefined), ...statusHeaders({ code, details }), ...more };
    stream.respond(headers, { endStream: true });
    if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
  }

  #hold(bytes: number): boolean {
    if (!this.#deps.budget.take(bytes)) return false;
    this.#heldBytes += bytes;
    return true;
  }

  #limitTime(): void {
    const { stream } = this;
    const { boundary, clock, counts, limits } = this.#deps;
    const timer = clock.schedule(
      limits.answerMaxMs,
      boundary.guard(stream, () => {
        counts.late += 1;
        stream.close(constants.NGHTTP2_CANCEL);
      }),
    );
    stream.once("close", () => timer.cancel());
  }
}
