/** The client's side of a connection with many streams, frame by frame, and the frames that it sends. */
import type { Socket } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { GetRequestSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { frameType, PREFACE } from "../../src/http2/frame.ts";
import { HeaderDecoder } from "../../src/http2/header-decoder.ts";
import { framed } from "./raw-grpc.ts";
import { CALL_HEADERS, FLAG, FRAME, frame, headerBlock, uint32 } from "./raw-http2.ts";
import { connectToServer } from "./test-tls.ts";

export const GREETING = Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]);
export const SETTINGS_ACK = frame(FRAME.settings, FLAG.ack, 0);
/** Asks for a key that nobody has set: the answer is small. */
export const GET = framed(toBinary(GetRequestSchema, create(GetRequestSchema, { namespace: "n", key: "k" })));

export const open = (
  id: number,
  fields: Readonly<Record<string, string>> = CALL_HEADERS,
  flags = 0,
): Buffer => frame(FRAME.headers, FLAG.endHeaders | flags, id, headerBlock(fields));
export const body = (id: number, bytes: Uint8Array, flags: number = FLAG.endStream): Buffer =>
  frame(FRAME.data, flags, id, bytes);
/** A whole call of Get. */
export const call = (id: number, bytes: Uint8Array = GET): Buffer =>
  Buffer.concat([open(id), body(id, bytes)]);
export const reset = (id: number): Buffer => frame(FRAME.reset, 0, id, uint32(8));
export const update = (id: number, bytes: number): Buffer => frame(FRAME.windowUpdate, 0, id, uint32(bytes));
/** `count` ids from `from` upwards. */
export const ids = (count: number, from = 1): number[] =>
  Array.from({ length: count }, (_, n) => from + 2 * n);

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly body: Buffer;
}

export class ManyStreamsPeer {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  readonly closed: Promise<void>;
  isClosed = false;
  /** Of each stream. */
  readonly fields = new Map<number, Record<string, string>>();
  /** Streams that the server has ended or reset. */
  readonly #over = new Set<number>();
  readonly #decoder = new HeaderDecoder({ maxBytes: 65_536, maxPairs: 100 }, 4_096);
  #bytes = Buffer.alloc(0);
  #check = (): void => {};

  constructor(port: number) {
    this.socket = connectToServer(port).socket;
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) =>
      this.socket.once("close", () => {
        this.isClosed = true;
        resolve();
        this.#check();
      }),
    );
    this.socket.on("data", (chunk: Buffer) => this.#read(chunk));
  }

  /** In one segment. */
  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  of(type: number, id?: number): readonly Frame[] {
    return this.frames.filter((one) => one.type === type && (id === undefined || one.id === id));
  }

  /** Also when the connection is closed. */
  until(done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => {
        if (done() || this.isClosed) resolve();
      };
      this.#check();
    });
  }

  /** Resolves when the server has read all that was sent before, or has gone. */
  async roundTrip(): Promise<void> {
    const acks = () => this.of(FRAME.ping).filter(({ flags }) => flags === FLAG.ack).length;
    const before = acks();
    this.send(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
    await this.until(() => acks() > before);
  }

  /** Resolves when these streams have ended or were reset. */
  ended(...streams: readonly number[]): Promise<void> {
    return this.until(() => streams.every((id) => this.#over.has(id)));
  }

  isEnded(id: number): boolean {
    return this.frames.some(
      (one) => one.id === id && one.type <= FRAME.headers && (one.flags & FLAG.endStream) !== 0,
    );
  }

  statusOf(id: number): string | undefined {
    return this.fields.get(id)?.["grpc-status"];
  }

  dataOf(id: number): Buffer {
    return Buffer.concat(this.of(FRAME.data, id).map((one) => one.body));
  }

  resetOf(id: number): number | undefined {
    return this.of(FRAME.reset, id)[0]?.body.readUInt32BE();
  }

  /** The last streams and the codes of the GOAWAY frames. */
  get goAways(): readonly (readonly [last: number, code: number])[] {
    return this.of(frameType.goAway).map((one) => [one.body.readUInt32BE(), one.body.readUInt32BE(4)]);
  }

  /** Why the server said that it goes away. */
  get fault(): number | undefined {
    return this.goAways.at(-1)?.[1];
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    let at = 0;
    while (this.#bytes.length >= at + 9) {
      const end = at + 9 + this.#bytes.readUIntBE(at, 3);
      if (this.#bytes.length < end) break;
      const [type = 0, flags = 0] = this.#bytes.subarray(at + 3, at + 5);
      this.#take({
        type,
        flags,
        id: this.#bytes.readUInt32BE(at + 5),
        body: this.#bytes.subarray(at + 9, end),
      });
      at = end;
    }
    this.#bytes = this.#bytes.subarray(at);
    this.#check();
  }

  #take(one: Frame): void {
    this.frames.push(one);
    const isLast = one.type <= FRAME.headers && (one.flags & FLAG.endStream) !== 0;
    if (isLast || one.type === FRAME.reset) this.#over.add(one.id);
    if (one.type !== FRAME.headers) return;
    const fields = this.#decoder.decode(one.body);
    if (typeof fields === "string") throw new Error(`${fields} headers of stream ${one.id}`);
    this.fields.set(one.id, { ...this.fields.get(one.id), ...Object.fromEntries(fields) });
  }
}
