/** What header blocks mean on a connection with many streams: a request, its trailers, or a stream out of its order. */

import { ENDED, MALFORMED, WRONG_CONTENT_LENGTH } from "./faults.ts";
import { connectionFault, errorCode, type Fault } from "./frame.ts";
import { contentLengthOf, isKept, isWellFormed } from "./header-rules.ts";
import { type HeaderField, type Headers, toHeaders } from "./hpack.ts";
import type { OpenStreams } from "./open-streams.ts";
import { type PeerStream, StreamState } from "./peer-stream.ts";
import type { RequestData } from "./request-data.ts";

const WRONG_STREAM = connectionFault("a stream that a client may not open", errorCode.protocolError);
const REOPENED = connectionFault("headers of a stream that is closed", errorCode.streamClosed);

/** Told of requests. */
export interface RequestHandlers {
  /** A request has begun. A number: it is refused with this code. */
  opens(state: StreamState): PeerStream | number;
  /** Serves it. */
  serve(stream: PeerStream, headers: Headers): void;
}

interface RequestAnswers {
  fault(streamId: number, fault: Fault): void;
  /** Resets a stream that was not opened. */
  refuse(streamId: number, code: number): void;
}

export class RequestHeaders {
  readonly #streams: OpenStreams;
  readonly #data: RequestData;
  readonly #windowBytes: number;
  readonly #handlers: RequestHandlers;
  readonly #answers: RequestAnswers;

  /** `windowBytes`: what the peer may send on each stream before it was read. */
  constructor(
    streams: OpenStreams,
    data: RequestData,
    windowBytes: number,
    handlers: RequestHandlers,
    answers: RequestAnswers,
  ) {
    this.#streams = streams;
    this.#data = data;
    this.#windowBytes = windowBytes;
    this.#handlers = handlers;
    this.#answers = answers;
  }

  /** A client opens odd streams, in their order. */
  beginFault(id: number): Fault | undefined {
    return id % 2 === 1 ? undefined : WRONG_STREAM;
  }

  take(id: number, fields: readonly HeaderField[], isLast: boolean): void {
    const stream = this.#streams.get(id);
    if (stream !== undefined) this.#takeTrailers(stream, fields, isLast);
    else if (id > this.#streams.lastId) this.#open(id, fields, isLast);
    else if (!this.#streams.wasReset(id))
      this.#answers.fault(id, this.#streams.wasOpen(id) ? REOPENED : WRONG_STREAM);
  }

  /** They cannot be taken, and have begun their stream all the same. */
  failed(id: number, fault: Fault): void {
    this.#streams.lastId = Math.max(this.#streams.lastId, id);
    this.#answers.fault(id, fault);
  }

  /** No call has a use for trailers of its request. */
  #takeTrailers(stream: PeerStream, fields: readonly HeaderField[], isLast: boolean): void {
    const { id, hasEnded } = stream.state;
    if (hasEnded) this.#answers.fault(id, ENDED);
    else if (isLast && isWellFormed("trailers", fields)) this.#data.endRequest(stream);
    else this.#answers.fault(id, MALFORMED);
  }

  #open(id: number, fields: readonly HeaderField[], isLast: boolean): void {
    this.#streams.lastId = id;
    const kept = fields.filter(isKept);
    if (!isWellFormed("request", kept)) {
      this.#answers.fault(id, MALFORMED);
      return;
    }
    const contentBytes = contentLengthOf(kept);
    if (isLast && contentBytes > 0) {
      this.#answers.fault(id, WRONG_CONTENT_LENGTH);
      return;
    }
    const state = new StreamState(id, this.#windowBytes, contentBytes);
    const stream = this.#handlers.opens(state);
    if (typeof stream === "number") {
      this.#answers.refuse(id, stream);
      return;
    }
    state.hasEnded = isLast;
    this.#streams.add(stream);
    this.#handlers.serve(stream, toHeaders(kept));
    if (isLast && !state.isOver) stream.requestEnded();
  }
}
