/**
 * One connection of a load of Exchange, which packs Gets into batches as the client does: a batch is sent at once while fewer
 * than 4 are unanswered, and otherwise when it has 16 operations. What is too old to be in time is not sent.
 */
import type { ClientHttp2Stream } from "node:http2";
import { ExchangeResponseSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { GrpcDeframer } from "../../src/codec/framing/grpc-deframer.ts";
import { decodeMessage } from "../../src/codec/messages.ts";
import { connectSingleStream } from "../support/raw-grpc.ts";
import * as request from "./requests.ts";

export interface ExchangeLoadOptions {
  readonly port: number;
  readonly inFlightMax: number;
  readonly deadlineMs: number;
  /** Called with the time when a Get was due, and whether it was answered with a value. */
  readonly answered: (dueMs: number, isHit: boolean) => void;
}

const BUSY_BATCHES = 4;
const BATCH_MIN_OPERATIONS = 16;
const BATCH_MAX_OPERATIONS = 128;
const MESSAGE_MAX_BYTES = 4 * 2 ** 20;
const OPERATION = request.getOperation("polite", "key");

export class ExchangeLoad {
  readonly #options: ExchangeLoadOptions;
  /** When what is not sent was due, the oldest first. */
  #unsentMs: number[] = [];
  /** When the operations of each batch were due that have no result yet. */
  readonly #sentMs = new Map<bigint, number[]>();
  #sent = 0;
  readonly #deframer = new GrpcDeframer({
    messageMaxBytes: MESSAGE_MAX_BYTES,
    firstAllocationMaxBytes: MESSAGE_MAX_BYTES,
    copies: false,
  });
  #stream: ClientHttp2Stream | undefined;
  #lastId = 1n;

  constructor(options: ExchangeLoadOptions) {
    this.#options = options;
    void this.#open();
  }

  get room(): number {
    if (this.#stream === undefined) return 0;
    return Math.max(0, this.#options.inFlightMax - this.#sent - this.#unsentMs.length);
  }

  /** Takes one Get for each of these times. */
  send(dueMs: readonly number[]): void {
    this.#unsentMs.push(...dueMs);
    this.#flush();
  }

  close(): void {
    this.#stream?.session?.destroy();
  }

  async #open(): Promise<void> {
    const raw = await connectSingleStream(`127.0.0.1:${this.#options.port}`, {
      settings: { initialWindowSize: 2 ** 20 },
    });
    const stream = raw.open(request.PATHS.exchange);
    stream.write(request.exchange({ id: 1n, frame: { case: "open", value: {} } }));
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#stream = stream;
  }

  #flush(): void {
    const { deadlineMs, answered } = this.#options;
    const oldestMs = performance.now() - deadlineMs;
    const late = this.#unsentMs.filter((due) => due < oldestMs);
    if (late.length > 0) this.#unsentMs = this.#unsentMs.filter((due) => due >= oldestMs);
    while (
      this.#unsentMs.length >= BATCH_MIN_OPERATIONS ||
      (this.#unsentMs.length > 0 && this.#sentMs.size < BUSY_BATCHES)
    ) {
      this.#sendBatch(this.#unsentMs.splice(0, BATCH_MAX_OPERATIONS));
    }
    for (const due of late) answered(due, true);
  }

  #sendBatch(dueMs: number[]): void {
    this.#lastId += 1n;
    this.#sentMs.set(this.#lastId, dueMs);
    this.#sent += dueMs.length;
    const operations = dueMs.map(() => OPERATION);
    this.#stream?.write(
      request.exchange({ id: this.#lastId, frame: { case: "batch", value: { operations } } }),
    );
  }

  #read(chunk: Buffer): void {
    this.#deframer.push(chunk);
    for (let bytes = this.#deframer.next(); bytes !== undefined; bytes = this.#deframer.next()) {
      const { id, frame, more } = decodeMessage(ExchangeResponseSchema, bytes);
      const dueMs = this.#sentMs.get(id);
      if (dueMs === undefined) continue;
      if (!more) this.#sentMs.delete(id);
      const results = frame.case === "batch" ? frame.value.results : [];
      const settled = dueMs.splice(0, more ? results.length : dueMs.length);
      this.#sent -= settled.length;
      settled.forEach((due, index) => {
        this.#options.answered(due, results[index]?.result.case === "get");
      });
    }
    this.#flush();
  }
}
