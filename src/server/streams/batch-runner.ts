/**
 * Runs the batches of one Exchange and holds their answers until they are sent. A batch that cannot wait runs in chunks, of
 * which at most one is unsent. A batch that may wait for a lease runs at once and is answered as a whole when its last
 * operation has settled.
 */
import type { BatchRequest, BatchResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import { limitExceeded } from "../../common/errors.ts";
import { returnValueArena, takeValueArena, type ValueArena } from "../../store/api/value-arena.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import { type BatchDeps, type Caller, mayWait, runBatch } from "../operations/batch.ts";
import { type BatchChunks, createBatchChunks } from "../operations/batch-chunks.ts";
import { resultsBytesOf } from "../operations/batch-size.ts";
import type { FrameOutput } from "./frame-output.ts";

export interface BatchRunnerDeps extends BatchDeps {
  readonly transport: Pick<TransportLimits, "frameMaxBytes" | "exchangeMaxWaitingBatches">;
  /**
   * The sink encodes a frame inside `send` and keeps nothing of it, so the memory of its values is used again afterwards.
   * Default false: values get memory of their own.
   */
  readonly sinkEncodes?: boolean;
}

/**
 * A batch of several operations that waits for one of them may hold the results of the others, up to a whole message. So
 * there may be fewer of these than of `exchangeMaxWaitingBatches`.
 */
const HOLDING_BATCHES_MAX = 4;

interface Answer {
  readonly id: bigint;
  readonly response: BatchResponse;
  /** Further answers to the same batch follow. */
  readonly more: boolean;
  /** The answer is a chunk: its values may lie in the value space. */
  readonly chunk: boolean;
  /** What it was counted with in the memory of its connection. */
  readonly heldBytes: number;
}

export class BatchRunner {
  readonly #deps: BatchRunnerDeps;
  readonly #answered: () => void;
  readonly #answers: Answer[] = [];
  /** The batch of which some operations have not run yet. */
  #running: { readonly id: bigint; readonly chunks: BatchChunks } | undefined;
  /** Holds the values of the last chunk until it is sent. */
  #arena: ValueArena | undefined;
  /** A batch that may wait has operations that have not begun, for want of a turn. */
  #beginning = false;
  /** Cancels the waits of each batch that waits for leases. */
  readonly #waiting = new Set<() => void>();
  /** How many of these hold results of other operations. */
  #holding = 0;
  /** Of the connection, as its caller knows it. */
  #memory: ConnectionMemory | undefined;

  /**
   * `answered`: called when a batch that may wait has its answer or has begun as a whole, possibly from inside another
   * caller's store call.
   */
  constructor(deps: BatchRunnerDeps, answered: () => void) {
    this.#deps = deps;
    this.#answered = answered;
  }

  /** Operations of a batch have not run yet. */
  get running(): boolean {
    return this.#running !== undefined || this.#beginning;
  }

  /** Batches wait for leases. */
  get waiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Not while `running`. Throws FIELD_INVALID or LIMIT_EXCEEDED when the batch is refused as a whole. */
  start(id: bigint, batch: BatchRequest, caller: Caller): void {
    if (mayWait(batch)) this.#startWaiting(id, batch, caller);
    else this.#run(id, createBatchChunks(batch, caller, this.#deps, this.#deps.transport.frameMaxBytes));
  }

  /** Sends the oldest answer. False when there is none. */
  sendAnswer(output: FrameOutput): boolean {
    const answer = this.#answers.shift();
    if (answer === undefined) return false;
    output.send({ case: "batch", value: answer.response }, answer.id, answer.more);
    this.#count(-answer.heldBytes);
    if (answer.chunk && !answer.more) this.#releaseArena();
    return true;
  }

  /** Runs the next chunk; not before the last one was sent. False when no operations are left to run. */
  runChunk(): boolean {
    if (this.#running === undefined) return false;
    this.#run(this.#running.id, this.#running.chunks);
    return true;
  }

  /** Cancels all waits and drops all answers. */
  close(): void {
    for (const cancel of this.#waiting) cancel();
    this.#waiting.clear();
    for (const { heldBytes } of this.#answers) this.#count(-heldBytes);
    this.#answers.length = 0;
    this.#running = undefined;
    this.#releaseArena();
  }

  #run(id: bigint, chunks: BatchChunks): void {
    if (this.#deps.sinkEncodes) this.#arena ??= takeValueArena();
    const response = chunks.next(this.#arena);
    const more = !chunks.done();
    this.#running = more ? { id, chunks } : undefined;
    this.#answers.push({ id, response, more, chunk: true, heldBytes: 0 });
  }

  #count(bytes: number): void {
    if (bytes !== 0) this.#memory?.addAnswer(bytes);
  }

  #startWaiting(id: bigint, batch: BatchRequest, caller: Caller): void {
    const { exchangeMaxWaitingBatches } = this.#deps.transport;
    if (this.#waiting.size >= exchangeMaxWaitingBatches) {
      throw limitExceeded("waiting_batches", String(exchangeMaxWaitingBatches));
    }
    const holds = batch.operations.length > 1;
    if (holds && this.#holding >= HOLDING_BATCHES_MAX) {
      throw limitExceeded("waiting_batches_of_several_operations", String(HOLDING_BATCHES_MAX));
    }
    this.#memory ??= caller.memory;
    let cancel: (() => void) | undefined;
    const done = (response: BatchResponse) => {
      if (cancel !== undefined) {
        this.#waiting.delete(cancel);
        if (holds) this.#holding -= 1;
      }
      // Its answer may wait behind others that the client does not read.
      const heldBytes = caller.memory === undefined ? 0 : resultsBytesOf(response);
      this.#answers.push({ id, response, more: false, chunk: false, heldBytes });
      this.#count(heldBytes);
      this.#answered();
    };
    let isBegun = false;
    const begun = (): void => {
      isBegun = true;
      if (!this.#beginning) return;
      this.#beginning = false;
      this.#answered();
    };
    cancel = runBatch(batch, caller, this.#deps, done, begun);
    this.#beginning = !isBegun;
    if (cancel !== undefined) {
      this.#waiting.add(cancel);
      if (holds) this.#holding += 1;
    }
  }

  #releaseArena(): void {
    if (this.#arena === undefined) return;
    returnValueArena(this.#arena);
    this.#arena = undefined;
  }
}
