/** Puts a header block together from HEADERS and CONTINUATION frames, within its limits. */
import { Buffer } from "node:buffer";
import {
  connectionFault,
  errorCode,
  type Fault,
  flag,
  PRIORITY_BYTES,
  STREAM_ID,
  streamFault,
} from "./frame.ts";
import { type FrameHead, withoutPadding } from "./frame-parser.ts";
import { decodeHeaders, type HeaderField, type HeaderLimits } from "./hpack.ts";

const CONTINUATIONS_MAX = 16;

/** What a frame adds: the whole block with its end, nothing yet, or a fault of the peer. */
export type HeaderBlockState =
  | { readonly kind: "whole"; readonly fields: readonly HeaderField[]; readonly isLast: boolean }
  | { readonly kind: "continues" }
  | { readonly kind: "fault"; readonly fault: Fault }
  /** There are more CONTINUATION frames than a block may have. */
  | { readonly kind: "flood" };

const ALL_PADDING = connectionFault("headers that are all padding", errorCode.protocolError);
const CUT_PRIORITY = connectionFault("headers with a part of a priority", errorCode.frameSizeError);
const NO_HEADERS = connectionFault("a continuation of no headers", errorCode.protocolError);
const BLOCK_TOO_LARGE = connectionFault(
  "headers that are longer than they may be",
  errorCode.enhanceYourCalm,
);
const UNDECODABLE = connectionFault("headers that cannot be decoded", errorCode.compressionError);
const TOO_LARGE = streamFault("headers beyond their limits", errorCode.enhanceYourCalm);
const DEPENDS_ON_ITSELF = streamFault("a stream that depends on itself", errorCode.protocolError);

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
    let content = (flags & flag.padded) === 0 ? body : withoutPadding(body);
    if (content === undefined) return failed(ALL_PADDING);
    if ((flags & flag.priority) !== 0) {
      if (content.length < PRIORITY_BYTES) return failed(CUT_PRIORITY);
      if (dependsOn(content, STREAM_ID)) return failed(DEPENDS_ON_ITSELF);
      content = content.subarray(PRIORITY_BYTES);
    }
    this.#continuations = 0;
    this.#isLast = (flags & flag.endStream) !== 0;
    return this.#add(flags, Buffer.from(content));
  }

  continue({ flags }: FrameHead, body: Buffer): HeaderBlockState {
    this.#continuations += 1;
    if (this.#bytes === undefined) return failed(NO_HEADERS);
    if (this.#continuations > CONTINUATIONS_MAX) return { kind: "flood" };
    return this.#add(flags, Buffer.concat([this.#bytes, body]));
  }

  #add(flags: number, bytes: Buffer): HeaderBlockState {
    if (bytes.length > this.#limits.maxBytes) return failed(BLOCK_TOO_LARGE);
    if ((flags & flag.endHeaders) === 0) {
      this.#bytes = bytes;
      return CONTINUES;
    }
    this.#bytes = undefined;
    const fields = decodeHeaders(bytes, this.#limits);
    if (fields === "malformed") return failed(UNDECODABLE);
    if (fields === "tooLarge") return failed(TOO_LARGE);
    return { kind: "whole", fields, isLast: this.#isLast };
  }
}

/** Whether a priority names this stream as its parent. */
export function dependsOn(priority: Buffer, streamId: number): boolean {
  return (priority.readUInt32BE() & 0x7fff_ffff) === streamId;
}

function failed(fault: Fault): HeaderBlockState {
  return { kind: "fault", fault };
}
