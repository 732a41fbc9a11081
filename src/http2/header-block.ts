/** Puts a header block together from HEADERS and CONTINUATION frames, within its limits. */
import { Buffer } from "node:buffer";
import { errorCode, type Fault, flag } from "./frame.ts";
import { type FrameHead, withoutPadding } from "./frame-parser.ts";
import { decodeHeaders, type HeaderLimits, type Headers } from "./hpack.ts";

const CONTINUATIONS_MAX = 16;
const PRIORITY_BYTES = 5;

/** What a frame adds: the whole block with its end, nothing yet, or a fault of the peer. */
export type HeaderBlockState =
  | { readonly kind: "whole"; readonly headers: Headers; readonly isLast: boolean }
  | { readonly kind: "continues" }
  | ({ readonly kind: "fault" } & Fault);

const CONTINUES: HeaderBlockState = { kind: "continues" };

export class HeaderBlock {
  readonly #limits: HeaderLimits;
  /** Of a block that goes on in the next frame. */
  #bytes: Buffer | undefined;
  #continuations = 0;
  /** The block ends the stream. */
  #isLast = false;

  constructor(limits: HeaderLimits) {
    this.#limits = limits;
  }

  /** The next frame has to be a CONTINUATION. */
  get continues(): boolean {
    return this.#bytes !== undefined;
  }

  begin({ flags }: FrameHead, body: Buffer): HeaderBlockState {
    const content = (flags & flag.padded) === 0 ? body : withoutPadding(body);
    if (content === undefined) return fault("headers that are all padding", errorCode.protocolError);
    this.#continuations = 0;
    this.#isLast = (flags & flag.endStream) !== 0;
    const skipped = (flags & flag.priority) === 0 ? 0 : PRIORITY_BYTES;
    return this.#add(flags, Buffer.from(content.subarray(skipped)));
  }

  continue({ flags }: FrameHead, body: Buffer): HeaderBlockState {
    this.#continuations += 1;
    if (this.#bytes === undefined) return fault("a continuation of no headers", errorCode.protocolError);
    if (this.#continuations > CONTINUATIONS_MAX) {
      return fault("headers in too many pieces", errorCode.enhanceYourCalm);
    }
    return this.#add(flags, Buffer.concat([this.#bytes, body]));
  }

  #add(flags: number, bytes: Buffer): HeaderBlockState {
    if (bytes.length > this.#limits.maxBytes) {
      return fault("headers that are longer than they may be", errorCode.enhanceYourCalm);
    }
    if ((flags & flag.endHeaders) === 0) {
      this.#bytes = bytes;
      return CONTINUES;
    }
    this.#bytes = undefined;
    const headers = decodeHeaders(bytes, this.#limits);
    if (headers === undefined) return fault("headers that cannot be decoded", errorCode.compressionError);
    return { kind: "whole", headers, isLast: this.#isLast };
  }
}

function fault(what: string, code: number): HeaderBlockState {
  return { kind: "fault", what, code };
}
