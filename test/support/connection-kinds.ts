/** Both kinds of connection that the server serves by its own HTTP/2, and the frames of a stream on either: for cases that are the same. */
import { PREFACE } from "../../src/http2/frame.ts";
import { body, GET, GREETING, open } from "./many-streams-peer.ts";
import { CALL_HEADERS, FLAG, FRAME, frame, headerBlock, uint32 } from "./raw-http2.ts";
import { ANNOUNCED, EXCHANGE, OPEN } from "./single-stream-peer.ts";

type Fields = Readonly<Record<string, string>>;

interface KindOptions {
  /** The preface and the first settings, and streams that go on beside. */
  readonly greeting: Buffer;
  /** The stream that a test begins. */
  readonly id: number;
  /** One that has not begun, and does not begin. */
  readonly idle: number;
  readonly fields: Fields;
  /** The first message of its call. */
  readonly message: Buffer;
}

export class ConnectionKind {
  readonly greeting: Buffer;
  readonly id: number;
  readonly idle: number;
  readonly fields: Fields;
  readonly message: Buffer;

  constructor(options: KindOptions) {
    this.greeting = options.greeting;
    this.id = options.id;
    this.idle = options.idle;
    this.fields = options.fields;
    this.message = options.message;
  }

  open(fields: Fields = this.fields, flags = 0): Buffer {
    return open(this.id, fields, flags);
  }

  /** A request with its pseudo-header fields, and behind them these bytes of a header block. */
  openWith(more: Uint8Array, flags = FLAG.endHeaders): Buffer {
    return this.block(Buffer.concat([headerBlock(this.fields), more]), flags);
  }

  withField(name: string, value: string): Buffer {
    return this.openWith(headerBlock({ [name]: value }));
  }

  without(name: string): Buffer {
    return this.open(Object.fromEntries(Object.entries(this.fields).filter(([one]) => one !== name)));
  }

  /** A HEADERS frame. */
  block(bytes: Uint8Array, flags = FLAG.endHeaders): Buffer {
    return frame(FRAME.headers, flags, this.id, bytes);
  }

  trailers(fields: Fields, flags = FLAG.endHeaders | FLAG.endStream): Buffer {
    return this.block(headerBlock(fields), flags);
  }

  data(bytes: Uint8Array, flags = 0): Buffer {
    return body(this.id, bytes, flags);
  }

  update(bytes: number): Buffer {
    return frame(FRAME.windowUpdate, 0, this.id, uint32(bytes));
  }
}

export const SINGLE_STREAM = new ConnectionKind({
  greeting: Buffer.concat([PREFACE, ANNOUNCED]),
  id: 1,
  idle: 3,
  fields: EXCHANGE,
  message: OPEN,
});

/** With another stream that is open. */
export const MANY_STREAMS = new ConnectionKind({
  greeting: Buffer.concat([GREETING, open(1)]),
  id: 3,
  idle: 9,
  fields: CALL_HEADERS,
  message: GET,
});

export const CONNECTION_KINDS: readonly (readonly [name: string, kind: ConnectionKind])[] = [
  ["a single stream", SINGLE_STREAM],
  ["many streams", MANY_STREAMS],
];
