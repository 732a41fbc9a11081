/**
 * Runs the batches of one Exchange and holds their answers until they are sent. A batch that cannot wait runs in chunks, of
 * which at most one is unsent. A batch that may wait for a lease runs at once and is answered as a whole when its last
 * operation has settled. A batch on a store that answers later is begun at once too, and answered in parts.
 */
import type { BatchRequest, BatchResponse, OperationResult } from "../../../gen/meshcache/v1/cache_pb.ts";
import { limitExceeded } from "../../common/errors.ts";
import type { Pending } from "../../store/api/backend.ts";
import { returnValueArena, takeValueArena, type ValueArena } from "../../store/api/value-arena.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import { type BatchDeps, type Caller, mayWait, runBatch } from "../operations/batch.ts";
import { type BatchChunks, createBatchChunks } from "../operations/batch-chunks.ts";
import { resultBytesOf, resultsBytesOf } from "../operations/batch-size.ts";
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
/** Batches that wait for a remote store at once: enough to fill its round trip. */
const BATCHES_OUT_MAX = 32;
/** So many until it is known how large their answers are, and no more than these bytes if they are as large as the last ones. */
const BATCHES_OUT_FIRST = 4;
const BATCHES_OUT_MAX_BYTES = 1024 * 1024;
/** How much of the size of large answers counts after the next one. */
const SIZE_KEPT = 0.9;

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

/** Sends what is not an answer to a batch. */
type Send = () => void;

/** Has its place in the order of what is sent, before it is known what that is. */
export interface Place {
  fill(send: Send): void;
}

interface OpenPlace {
  /** Undefined: not known yet. */
  items: readonly (Answer | Send)[] | undefined;
}

export class BatchRunner {
  readonly #deps: BatchRunnerDeps;
  readonly #answered: () => void;
  readonly #answers: (Answer | Send)[] = [];
  /** What comes behind them, in the order in which it was asked for. */
  readonly #places: OpenPlace[] = [];
  /** The batch of which some operations have not run yet. */
  #running: { readonly id: bigint; readonly chunks: BatchChunks } | undefined;
  /** Holds the values of the last chunk until it is sent. */
  #arena: ValueArena | undefined;
  /** A batch that may wait has operations that have not begun, for want of a turn. */
  #beginning = false;
  /** Those that wait for leases. */
  readonly #waiting = new Set<Pending>();
  /** How many of these hold results of other operations. */
  #holding = 0;
  /** How many of these wait for a remote store alone, and how many may. */
  #out = 0;
  #outMax = BATCHES_OUT_FIRST;
  /** Of the answers to such batches, the large ones first. */
  #answerBytes = 0;
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

  /** Operations of a batch have not run yet, or so many batches are out that no further one is begun. */
  get running(): boolean {
    return this.#running !== undefined || this.#beginning || this.#out >= this.#outMax;
  }

  /** Batches wait for leases, or something has no answer yet. */
  get waiting(): boolean {
    return this.#waiting.size > 0 || this.#places.length > 0;
  }

  /** What answers a frame is sent behind the answers to those before it, but for batches that wait for leases. */
  reserve(): Place {
    const place: OpenPlace = { items: undefined };
    this.#places.push(place);
    return {
      fill: (send) => {
        place.items = [send];
        this.#answered();
      },
    };
  }

  /** Sends now, or behind what the frames before are to be answered with. */
  inOrder(send: Send): void {
    if (this.#places.length === 0) send();
    else this.reserve().fill(send);
  }

  /** Not while `running`. Throws FIELD_INVALID or LIMIT_EXCEEDED when the batch is refused as a whole. */
  start(id: bigint, batch: BatchRequest, caller: Caller): void {
    if (mayWait(batch)) this.#startWaiting(id, batch, caller);
    else if (this.#deps.store.remote) this.#startRemote(id, batch, caller);
    else this.#run(id, createBatchChunks(batch, caller, this.#deps, this.#deps.transport.frameMaxBytes));
  }

  /** Sends the oldest answer. False when there is none. */
  sendAnswer(output: FrameOutput): boolean {
    this.#takePlaces();
    const answer = this.#answers.shift();
    if (answer === undefined) return false;
    if (typeof answer === "function") {
      answer();
      return true;
    }
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
    for (const batch of this.#waiting) batch.cancel();
    this.#waiting.clear();
    const unsent = [...this.#answers, ...this.#places.flatMap(({ items }) => items ?? [])];
    for (const answer of unsent) if (typeof answer !== "function") this.#count(-answer.heldBytes);
    this.#answers.length = 0;
    this.#places.length = 0;
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

  /** Waits for nothing but the store, however many batches do. */
  #startRemote(id: bigint, batch: BatchRequest, caller: Caller): void {
    this.#out += 1;
    const place: OpenPlace = { items: undefined };
    this.#places.push(place);
    const settled = () => {
      this.#out -= 1;
    };
    try {
      this.#begin(id, batch, caller, settled, (answers) => {
        place.items = answers;
        this.#learnSize(answers);
      });
    } catch (error) {
      this.#places.splice(this.#places.indexOf(place), 1);
      throw error;
    }
  }

  #learnSize(answers: readonly Answer[]): void {
    let bytes = 0;
    for (const { response } of answers) bytes += resultsBytesOf(response);
    this.#answerBytes = Math.max(bytes, this.#answerBytes * SIZE_KEPT);
    const fitting = Math.floor(BATCHES_OUT_MAX_BYTES / this.#answerBytes);
    this.#outMax = Math.max(1, Math.min(BATCHES_OUT_MAX, fitting));
  }

  #takePlaces(): void {
    for (;;) {
      const items = this.#places[0]?.items;
      if (items === undefined) return;
      this.#places.shift();
      for (const item of items) this.#answers.push(item);
    }
  }

  #startWaiting(id: bigint, batch: BatchRequest, caller: Caller): void {
    const { exchangeMaxWaitingBatches } = this.#deps.transport;
    if (this.#waiting.size >= exchangeMaxWaitingBatches) {
      throw limitExceeded("waiting_batches", String(exchangeMaxWaitingBatches));
    }
    const holds = batch.operations.length > 1 ? 1 : 0;
    if (holds === 1 && this.#holding >= HOLDING_BATCHES_MAX) {
      throw limitExceeded("waiting_batches_of_several_operations", String(HOLDING_BATCHES_MAX));
    }
    this.#holding += holds;
    const settled = () => {
      this.#holding -= holds;
    };
    this.#begin(id, batch, caller, settled, (answers) => {
      for (const answer of answers) this.#answers.push(answer);
    });
  }

  /** `settled`: called once, when the batch is answered or refused as a whole. */
  #begin(
    id: bigint,
    batch: BatchRequest,
    caller: Caller,
    settled: () => void,
    take: (answers: readonly Answer[]) => void,
  ): void {
    this.#memory ??= caller.memory;
    let pending: Pending | undefined;
    const done = (response: BatchResponse) => {
      if (pending !== undefined) this.#waiting.delete(pending);
      settled();
      take(this.#toAnswers(id, response, caller));
      this.#answered();
    };
    let isBegun = false;
    const begun = (): void => {
      isBegun = true;
      if (!this.#beginning) return;
      this.#beginning = false;
      this.#answered();
    };
    const deps = this.#deps.store.remote ? { ...this.#deps, answersInParts: true } : this.#deps;
    try {
      pending = runBatch(batch, caller, deps, done, begun);
    } catch (error) {
      settled();
      throw error;
    }
    this.#beginning = !isBegun;
    if (pending !== undefined) this.#waiting.add(pending);
  }

  /** They may wait behind others that the client does not read. */
  #toAnswers(id: bigint, response: BatchResponse, { memory }: Caller): readonly Answer[] {
    const { store, transport } = this.#deps;
    const parts = store.remote ? toParts(response, transport.frameMaxBytes) : [response];
    const last = parts.length - 1;
    return parts.map((part, index) => {
      const heldBytes = memory === undefined ? 0 : resultsBytesOf(part);
      this.#count(heldBytes);
      return { id, response: part, more: index < last, chunk: false, heldBytes };
    });
  }

  #releaseArena(): void {
    if (this.#arena === undefined) return;
    returnValueArena(this.#arena);
    this.#arena = undefined;
  }
}

/** A part ends with the result that makes it as large as a frame, or before one that would make it larger than two. */
function toParts({ results }: BatchResponse, frameMaxBytes: number): BatchResponse[] {
  const parts: BatchResponse[] = [];
  let part: OperationResult[] = [];
  let bytes = 0;
  const end = () => {
    if (part.length > 0) parts.push({ $typeName: "meshcache.v1.BatchResponse", results: part });
    part = [];
    bytes = 0;
  };
  for (const result of results) {
    const resultBytes = resultBytesOf(result.result);
    if (bytes + resultBytes > 2 * frameMaxBytes) end();
    part.push(result);
    bytes += resultBytes;
    if (bytes >= frameMaxBytes) end();
  }
  end();
  return parts;
}
