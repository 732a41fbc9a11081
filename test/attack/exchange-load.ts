/** One connection of a load of Exchange: each Get in a batch frame of its own. */
import type { ClientHttp2Stream } from "node:http2";
import { ExchangeResponseSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { GrpcDeframer } from "../../src/codec/framing/grpc-deframer.ts";
import { decodeMessage } from "../../src/codec/messages.ts";
import { connectSingleStream } from "../support/raw-grpc.ts";
import * as request from "./requests.ts";

/** Called with the time when a Get was due, and whether it was answered with a value. */
export type Answered = (dueMs: number, isHit: boolean) => void;

const MESSAGE_MAX_BYTES = 4 * 2 ** 20;

export class ExchangeLoad {
  readonly #answered: Answered;
  readonly #inFlightMax: number;
  readonly #dueMs = new Map<bigint, number>();
  readonly #deframer = new GrpcDeframer({
    messageMaxBytes: MESSAGE_MAX_BYTES,
    firstAllocationMaxBytes: MESSAGE_MAX_BYTES,
    copies: false,
  });
  #stream: ClientHttp2Stream | undefined;
  #lastId = 1n;

  constructor(port: number, inFlightMax: number, answered: Answered) {
    this.#answered = answered;
    this.#inFlightMax = inFlightMax;
    void this.#open(port);
  }

  get room(): number {
    return this.#stream === undefined ? 0 : Math.max(0, this.#inFlightMax - this.#dueMs.size);
  }

  /** Sends one Get for each of these times. */
  send(dueMs: readonly number[]): void {
    if (dueMs.length === 0) return;
    const frames = dueMs.map((due) => {
      this.#lastId += 1n;
      this.#dueMs.set(this.#lastId, due);
      const operations = [request.getOperation("polite", "key")];
      return request.exchange({ id: this.#lastId, frame: { case: "batch", value: { operations } } });
    });
    this.#stream?.write(Buffer.concat(frames));
  }

  close(): void {
    this.#stream?.session?.destroy();
  }

  async #open(port: number): Promise<void> {
    const raw = await connectSingleStream(`127.0.0.1:${port}`, { settings: { initialWindowSize: 2 ** 20 } });
    const stream = raw.open(request.PATHS.exchange);
    stream.write(request.exchange({ id: 1n, frame: { case: "open", value: {} } }));
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#stream = stream;
  }

  #read(chunk: Buffer): void {
    this.#deframer.push(chunk);
    for (let bytes = this.#deframer.next(); bytes !== undefined; bytes = this.#deframer.next()) {
      const { id, frame } = decodeMessage(ExchangeResponseSchema, bytes);
      const due = this.#dueMs.get(id);
      if (due === undefined) continue;
      this.#dueMs.delete(id);
      const result = frame.case === "batch" ? frame.value.results[0]?.result : undefined;
      this.#answered(due, result?.case === "get");
    }
  }
}
