/** The message of the peer on a single-stream connection: its headers, content of the length that they announce, trailers, its end. */

import { ENDED, MALFORMED, WRONG_CONTENT_LENGTH } from "./faults.ts";
import { errorCode, type Fault, streamFault } from "./frame.ts";
import { contentLengthOf, isInterim, isWellFormed } from "./header-rules.ts";
import type { HeaderField } from "./hpack.ts";

const NO_HEADERS = streamFault("data before its headers", errorCode.protocolError);

export class PeerMessage {
  readonly #kind: "request" | "response";
  /** Headers have begun. */
  #begun = false;
  /** They have come as a whole. */
  #hasHeaders = false;
  /** The peer sends no more on the stream. */
  #ended = false;
  /** Bytes of the content that are still to come. NaN: the peer has not said how many. */
  #contentLeftBytes = Number.NaN;

  constructor(kind: "request" | "response") {
    this.#kind = kind;
  }

  /** Its stream has begun: nothing may come before a request. */
  get isOpen(): boolean {
    return this.#begun || this.#kind === "response";
  }

  get headersFault(): Fault | undefined {
    return this.#ended ? ENDED : undefined;
  }

  get dataFault(): Fault | undefined {
    if (this.#ended) return ENDED;
    return this.#begun ? undefined : NO_HEADERS;
  }

  /** Headers begin it also when they cannot be taken. */
  begin(): void {
    this.#begun = true;
  }

  /** "interim": the headers of the final response follow. */
  takeFields(fields: readonly HeaderField[], isLast: boolean): "taken" | "interim" | Fault {
    const isTrailers = this.#hasHeaders;
    this.#begun = true;
    if (!isWellFormed(isTrailers ? "trailers" : this.#kind, fields) || (isTrailers && !isLast))
      return MALFORMED;
    if (this.#kind === "response" && !isTrailers && !isLast && isInterim(fields)) return "interim";
    this.#hasHeaders = true;
    if (!isTrailers) this.#contentLeftBytes = contentLengthOf(fields);
    return isLast && this.#contentLeftBytes > 0 ? WRONG_CONTENT_LENGTH : "taken";
  }

  takeContent(bytes: number): Fault | undefined {
    this.#contentLeftBytes -= bytes;
    return this.#contentLeftBytes < 0 ? WRONG_CONTENT_LENGTH : undefined;
  }

  end(): Fault | undefined {
    if (this.#contentLeftBytes > 0) return WRONG_CONTENT_LENGTH;
    this.#ended = true;
    return undefined;
  }
}
