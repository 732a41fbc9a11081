/** Puts the header blocks of a connection together from HEADERS and CONTINUATION frames, within their limits. */
import { Buffer } from "node:buffer";
import { DEPENDS_ON_ITSELF } from "./faults.ts";
import { connectionFault, errorCode, type Fault, flag, PRIORITY_BYTES, streamFault } from "./frame.ts";
import { type FrameHead, withoutPadding } from "./frame-parser.ts";
import { HeaderDecoder } from "./header-decoder.ts";
import type { HeaderField, HeaderLimits } from "./hpack.ts";

const CONTINUATIONS_MAX = 16;

/** What a frame adds: the whole block with its end, nothing yet, or a fault of the peer; one of the stream with its end. */
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

const CONTINUES: HeaderBlockState = { kind: "continues" };

export class HeaderBlock {
  readonly #blockMaxBytes: number;
  readonly #decoder: HeaderDecoder;
  /** Of a block that goes on in the next frame. */
  #bytes: Buffer | undefined;
  #continuations = 0;
  /** The block ends the stream. */
  #isLast = false;
  /** Known before the block can be decoded. The table of headers is the connection's, and so the block is decoded first. */
  #streamFault: Fault | undefined;
  #streamId = 0;

  /** `tableMaxBytes`: see HeaderDecoder. A block of more than `blockMaxBytes` ends the connection. */
  constructor(limits: HeaderLimits, tableMaxBytes: number, blockMaxBytes = limits.maxBytes) {
    this.#blockMaxBytes = blockMaxBytes;
    this.#decoder = new HeaderDecoder(limits, tableMaxBytes);
  }

  /** The next frame has to be a CONTINUATION. */
  get continues(): boolean {
    return this.#bytes !== undefined;
  }

  /** Of the block that has begun last. */
  get streamId(): number {
    return this.#streamId;
  }

  begin({ flags, streamId }: FrameHead, body: Buffer): HeaderBlockState {
    this.#streamId = streamId;
    let content = (flags & flag.padded) === 0 ? body : withoutPadding(body);
    if (content === undefined) return failed(ALL_PADDING);
    this.#streamFault = undefined;
    if ((flags & flag.priority) !== 0) {
      if (content.length < PRIORITY_BYTES) return failed(CUT_PRIORITY);
      if (dependsOn(content, streamId)) this.#streamFault = DEPENDS_ON_ITSELF;
      content = content.subarray(PRIORITY_BYTES);
    }
    this.#continuations = 0;
    this.#isLast = (flags & flag.endStream) !== 0;
    return this.#add(flags, (flags & flag.endHeaders) === 0 ? Buffer.from(content) : content);
  }

  continue({ flags }: FrameHead, body: Buffer): HeaderBlockState {
    this.#continuations += 1;
    if (this.#bytes === undefined) return failed(NO_HEADERS);
    if (this.#continuations > CONTINUATIONS_MAX) return { kind: "flood" };
    return this.#add(flags, Buffer.concat([this.#bytes, body]));
  }

  #add(flags: number, bytes: Buffer): HeaderBlockState {
    if (bytes.length > this.#blockMaxBytes) return failed(BLOCK_TOO_LARGE);
    if ((flags & flag.endHeaders) === 0) {
      this.#bytes = bytes;
      return CONTINUES;
    }
    this.#bytes = undefined;
    const fields = this.#decoder.decode(bytes);
    if (fields === "malformed") return failed(UNDECODABLE);
    if (this.#streamFault !== undefined) return failed(this.#streamFault);
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
