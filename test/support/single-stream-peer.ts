/** The client's side of a single-stream connection, frame by frame, and the frames that it sends. */
import type { Socket } from "node:net";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { ExchangeRequestSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { PREFACE, setting, settings } from "../../src/http2/frame.ts";
import { framed } from "./raw-grpc.ts";
import { CALL_HEADERS, FLAG, FRAME, frame, headerBlock } from "./raw-http2.ts";
import { connectToServer } from "./test-tls.ts";

export const GO_AWAY = 7;
export const EXCHANGE = { ...CALL_HEADERS, ":path": "/meshcache.v1.CacheService/Exchange" };
export const ANNOUNCED = settings([
  [setting.headerTableSize, 0],
  [setting.singleStream, 1],
]);
export const headers = (fields: Readonly<Record<string, string>> = EXCHANGE): Buffer =>
  frame(FRAME.headers, FLAG.endHeaders, 1, headerBlock(fields));
export const data = (bytes: Uint8Array, flags = 0): Buffer => frame(FRAME.data, flags, 1, bytes);
export const request = (message: MessageInitShape<typeof ExchangeRequestSchema>): Buffer =>
  framed(toBinary(ExchangeRequestSchema, create(ExchangeRequestSchema, message)));
export const OPEN = request({ id: 1n, frame: { case: "open", value: { clientId: "c" } } });
export const ping = (id: bigint): Buffer => request({ id, frame: { case: "ping", value: { nonce: id } } });
export const repeated = (bytes: Buffer, times: number): Buffer => Buffer.concat(Array(times).fill(bytes));

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

export class SingleStreamPeer {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  readonly closed: Promise<void>;
  #bytes = Buffer.alloc(0);
  #answeredPings = 0;
  #check = (): void => {};

  constructor(port: number) {
    this.socket = connectToServer(port).socket;
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve()));
    this.socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      while (this.#bytes.length >= 9 && this.#bytes.length >= 9 + this.#bytes.readUIntBE(0, 3)) {
        const [type = 0, flags = 0] = this.#bytes.subarray(3, 5);
        const body = this.#bytes.subarray(9, 9 + this.#bytes.readUIntBE(0, 3));
        this.frames.push({ type, flags, body });
        this.#bytes = this.#bytes.subarray(9 + body.length);
      }
      this.#check();
    });
  }

  /** In one segment, as a client that announces itself does. */
  start(...more: readonly Buffer[]): void {
    this.socket.write(Buffer.concat([PREFACE, ANNOUNCED, ...more]));
  }

  of(type: number): readonly Frame[] {
    return this.frames.filter((one) => one.type === type);
  }

  until(done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => {
        if (done()) resolve();
      };
      this.#check();
    });
  }

  /** Resolves when the stream has sent something. */
  answered(frames = 1): Promise<void> {
    return this.until(() => this.of(FRAME.data).length >= frames);
  }

  /** Resolves when the server has read all that was sent before, or has gone. */
  async roundTrip(): Promise<void> {
    const acks = () => this.of(FRAME.ping).filter(({ flags }) => flags === FLAG.ack).length;
    const before = acks();
    this.socket.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
    await Promise.race([this.until(() => acks() > before), this.closed]);
  }

  answerPings(): void {
    const pings = this.of(FRAME.ping).filter(({ flags }) => flags === 0);
    for (const { body } of pings.slice(this.#answeredPings)) {
      this.socket.write(frame(FRAME.ping, FLAG.ack, 0, body));
    }
    this.#answeredPings = pings.length;
  }

  /** Why the server said that it goes away. */
  get fault(): number | undefined {
    return this.of(GO_AWAY)[0]?.body.readUInt32BE(4);
  }

  /** Why the server reset the stream. */
  get resetCode(): number | undefined {
    return this.of(FRAME.reset)[0]?.body.readUInt32BE();
  }
}
