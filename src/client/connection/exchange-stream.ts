/**
 * One Exchange stream: ids, frame numbers, pings and the calls that wait for an answer on it. It lives as long
 * as its link; connection.ts decides when there is one, and what is lost with it.
 */
import type {
  Event,
  ExchangeRequest,
  ExchangeResponse,
  Gap,
  Operation,
  OperationResult,
  Selector,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { newArray } from "../../codec/fast/messages.ts";
import type { Clock } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import { fromStatus } from "../../rpc/status.ts";
import type { LocalSubscription } from "../coherence/subscription-set.ts";
import { batchFrame, ExchangeRequestMessage } from "../messages/requests.ts";
import type { Link, LinkHandlers, Transport } from "../transport/transport.ts";
import type { Call } from "./pending-call.ts";

/** What a stream tells its connection, in the order of the frames. */
export interface StreamHandlers {
  /** The server answered Open or a Subscription; with the latter `stream.live` has changed. */
  opened(stream: ExchangeStream): void;
  events(stream: ExchangeStream, events: readonly Event[]): void;
  gap(stream: ExchangeStream, gap: Gap): void;
  /** `ping`: the one that it answers. */
  progress(stream: ExchangeStream, ping: SentPing | undefined): void;
  draining(stream: ExchangeStream): void;
  /** The connection of the stream is to end, and the stream with it. */
  goesAway(stream: ExchangeStream): void;
  /** Calls of a batch, perhaps not yet all, were answered or refused. */
  released(calls: readonly Call[]): void;
  drained(stream: ExchangeStream): void;
  /** The stream is over. `unanswered` may or may not have taken effect. */
  closed(stream: ExchangeStream, error: CacheError, unanswered: readonly Call[]): void;
}

export interface SentPing {
  readonly sentAtMs: number;
  /** Called when it is answered. */
  readonly answered: (() => void) | undefined;
}

/** A class for what wire/hot/messages.ts says of literals. */
class SentBatch {
  readonly id: bigint;
  readonly calls: readonly Call[];
  /** Of the calls, from the first; the answer may come in several frames. */
  answered = 0;

  constructor(id: bigint, calls: readonly Call[]) {
    this.id = id;
    this.calls = calls;
  }
}

export interface StreamDeps {
  readonly clock: Clock;
  readonly transport: Transport;
  readonly clientId: string;
}

type Frame = ExchangeRequest["frame"];

export class ExchangeStream {
  readonly address: string;
  /** The server's, once it answered Open. */
  epoch = 0n;
  /** Of the last frame that was processed: where the next stream resumes. */
  cursor: Uint8Array;
  /** The link asked to hold back. */
  congested = false;
  /** What the subscription of this stream covers. */
  live: readonly LocalSubscription[] = [];
  readonly #deps: StreamDeps;
  readonly #handlers: StreamHandlers;
  readonly #link: Link;
  /** In the order of their ids. No Map, for what call-queue.ts says of Sets. */
  readonly #batches: SentBatch[] = [];
  readonly #subscriptions = new Map<bigint, readonly LocalSubscription[]>();
  readonly #pings = new Map<bigint, SentPing>();
  #aloneBatches = 0;
  #lastId = 0n;
  #lastNonce = 0n;
  #lastSequence = 0;
  #lastPartAtMs = Number.NEGATIVE_INFINITY;
  #ackedCursor: Uint8Array;
  #resumable = true;
  #over = false;

  /**
   * Sends Open at once. `cursor`: where to resume; empty for from now. Throws what the transport throws of an address
   * or of credentials that it cannot use.
   */
  constructor(address: string, cursor: Uint8Array, deps: StreamDeps, handlers: StreamHandlers) {
    this.address = address;
    this.cursor = cursor;
    this.#ackedCursor = cursor;
    this.#deps = deps;
    this.#handlers = handlers;
    const linkHandlers: LinkHandlers = {
      frame: (frame) => this.#receive(frame),
      drained: () => {
        this.congested = false;
        if (!this.#over) handlers.drained(this);
      },
      goesAway: () => {
        if (!this.#over) handlers.goesAway(this);
      },
      closed: (error) => this.#end(error ?? unavailable("the server ended the stream")),
    };
    this.#link = deps.transport.open(address, linkHandlers);
    try {
      this.#send({ case: "open", value: { $typeName: "meshcache.v1.Open", clientId: deps.clientId } });
    } catch (error) {
      this.#over = true;
      this.#link.close();
      throw error;
    }
  }

  /** Batches that were sent here and not answered. */
  get unanswered(): number {
    return this.#batches.length;
  }

  /** Of these the ones that wait for nothing but their turn: a call that may wait for a lease goes alone. */
  get busy(): number {
    return this.#batches.length - this.#aloneBatches;
  }

  /** The server has answered Open and every Subscription so far. */
  get ready(): boolean {
    return this.epoch !== 0n && this.#subscriptions.size === 0;
  }

  // ---- Sending -------------------------------------------------------------------------------------------

  subscribe(selectors: Selector[], interests: readonly LocalSubscription[]): void {
    const cursor = this.#resumable ? this.cursor : new Uint8Array(0);
    this.#resumable = false;
    const id = this.#sendOrCut({
      case: "subscription",
      value: { $typeName: "meshcache.v1.Subscription", selectors, cursor },
    });
    this.#subscriptions.set(id, interests);
  }

  send(calls: readonly Call[]): void {
    const nowMs = this.#deps.clock.nowMs();
    const namespace = calls[0]?.plan.namespace ?? "";
    const operations = newArray<Operation>();
    for (const call of calls) {
      call.sending(nowMs, this.epoch);
      operations.push(withNamespace(call, namespace));
    }
    try {
      this.#sendBatch(namespace, operations, calls);
    } catch (error) {
      this.#sendEach(calls, error);
    }
  }

  #sendBatch(namespace: string, operations: Operation[], calls: readonly Call[]): void {
    const id = this.#send(batchFrame(namespace, operations));
    this.#batches.push(new SentBatch(id, calls));
    if (isAlone(calls)) this.#aloneBatches += 1;
  }

  /** Of a batch that could not be encoded: its calls by themselves, so that those fail alone that are the reason. */
  #sendEach(calls: readonly Call[], reason: unknown): void {
    for (const call of calls) {
      try {
        if (calls.length === 1) throw reason;
        const { namespace } = call.plan;
        this.#sendBatch(namespace, [withNamespace(call, namespace)], [call]);
      } catch (cause) {
        call.fail(new CacheError("INTERNAL", "the operation could not be encoded", {}, { cause }));
        this.#handlers.released([call]);
      }
    }
  }

  /** Pings, and tells the server how far this client is, when it has moved. */
  pulse(): void {
    const { cursor } = this;
    if (cursor !== this.#ackedCursor) {
      this.#ackedCursor = cursor;
      this.#sendOrCut({ case: "ack", value: { $typeName: "meshcache.v1.Ack", cursor } }, true);
    }
    this.ping();
  }

  ping(answered?: () => void): void {
    this.#lastNonce += 1n;
    const nonce = this.#lastNonce;
    this.#pings.set(nonce, { sentAtMs: this.#deps.clock.nowMs(), answered });
    this.#sendOrCut({ case: "ping", value: { $typeName: "meshcache.v1.Ping", nonce } });
  }

  /**
   * How long the oldest ping has been waiting for its answer, or for its turn: it is answered behind all parts
   * of a large answer, and counts from the last of them. 0: none is waiting.
   */
  silenceMs(): number {
    for (const ping of this.#pings.values()) {
      return this.#deps.clock.nowMs() - Math.max(ping.sentAtMs, this.#lastPartAtMs);
    }
    return 0;
  }

  /** Ends the stream; `closed` is called with what was unanswered. */
  cut(error: CacheError): void {
    if (this.#over) return;
    this.#link.close();
    this.#end(error);
  }

  // ---- Receiving -----------------------------------------------------------------------------------------

  #receive(response: ExchangeResponse): void {
    if (this.#over) return;
    // A hole means that something was lost: nothing from here on can be ordered. The next stream resumes from
    // the last frame before it, so that the server tells again what was lost, or says that it cannot.
    const sequence = Number(response.sequence);
    if (sequence !== this.#lastSequence + 1) {
      this.cut(unavailable("a frame of the stream is missing"));
      return;
    }
    this.#lastSequence = sequence;
    const { frame } = response;
    switch (frame.case) {
      case "opened":
        this.epoch = frame.value.epoch;
        this.#opened(response.id, frame.value.cursor);
        break;
      case "batch":
        this.#answer(response.id, frame.value.results, response.more);
        break;
      case "error": {
        const error = fromStatus(frame.value);
        const at = this.#indexOf(response.id);
        const calls = this.#batches[at]?.calls;
        if (calls === undefined) this.cut(error);
        else {
          this.#remove(at);
          for (const call of calls) call.fail(error);
          this.#handlers.released(calls);
        }
        break;
      }
      case "events":
        this.#handlers.events(this, frame.value.events);
        this.cursor = frame.value.cursor;
        break;
      case "gap":
        this.epoch = frame.value.epoch;
        this.cursor = frame.value.cursor;
        this.#handlers.gap(this, frame.value);
        break;
      case "progress": {
        if (frame.value.cursor.length > 0) this.cursor = frame.value.cursor;
        this.#progress(frame.value.nonce);
        break;
      }
      case "draining":
        this.#handlers.draining(this);
        break;
      case undefined:
        break;
      default:
        frame satisfies never;
    }
  }

  #opened(id: bigint, cursor: Uint8Array): void {
    const interests = this.#subscriptions.get(id);
    if (interests !== undefined) {
      this.#subscriptions.delete(id);
      this.live = interests;
      // A resumed stream stands where it stood until the missed events are here.
      if (this.cursor.length === 0) this.cursor = cursor;
    }
    this.#handlers.opened(this);
  }

  /** Each frame's calls are settled in it: a fill must not be overtaken by the events between two frames. */
  #answer(id: bigint, results: readonly OperationResult[], more: boolean): void {
    const at = this.#indexOf(id);
    const batch = this.#batches[at];
    if (batch === undefined) return;
    const first = batch.answered;
    // Without `more` all the rest is answered, if only by nothing, which breaks the contract.
    batch.answered = more ? first + results.length : batch.calls.length;
    if (more) this.#lastPartAtMs = this.#deps.clock.nowMs();
    else this.#remove(at);
    const calls = first === 0 && !more ? batch.calls : batch.calls.slice(first, batch.answered);
    calls.forEach((call, index) => {
      call.answer(results[index]?.result ?? { case: undefined });
    });
    this.#handlers.released(calls);
  }

  #remove(at: number): void {
    for (const { calls } of this.#batches.splice(at, 1)) if (isAlone(calls)) this.#aloneBatches -= 1;
  }

  /** Mostly the first; after one that waits for a lease, perhaps any. -1: none has this id. */
  #indexOf(id: bigint): number {
    let from = 0;
    let to = this.#batches.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const batch = this.#batches[middle];
      if (batch === undefined || batch.id >= id) to = middle;
      else from = middle + 1;
    }
    return this.#batches[from]?.id === id ? from : -1;
  }

  #progress(nonce: bigint): void {
    const ping = this.#pings.get(nonce);
    if (ping !== undefined) {
      this.#pings.delete(nonce);
      ping.answered?.();
    }
    this.#handlers.progress(this, ping);
  }

  /** Throws when the frame cannot be encoded. */
  #send(frame: Frame, more = false): bigint {
    this.#lastId += 1n;
    const sent = this.#link.send(new ExchangeRequestMessage(this.#lastId, frame), more);
    if (!sent) this.congested = true;
    return this.#lastId;
  }

  /** What is no call's own: a stream that cannot say it is of no use. */
  #sendOrCut(frame: Frame, more = false): bigint {
    try {
      return this.#send(frame, more);
    } catch (cause) {
      this.cut(new CacheError("INTERNAL", "a frame could not be encoded", {}, { cause }));
      return this.#lastId;
    }
  }

  #end(error: CacheError): void {
    if (this.#over) return;
    this.#over = true;
    const unanswered = this.#batches.flatMap(({ calls, answered }) => calls.slice(answered));
    this.#batches.length = 0;
    this.#pings.clear();
    this.#handlers.closed(this, error, unanswered);
  }
}

export function unavailable(message: string, cause?: unknown): CacheError {
  return new CacheError("UNAVAILABLE", message, {}, { cause });
}

function isAlone(calls: readonly Call[]): boolean {
  return calls[0]?.plan.alone === true;
}

/** The operation as the batch carries it: without the namespace that the batch already names. */
function withNamespace(call: Call, batchNamespace: string): Operation {
  const { operation, namespace } = call.plan;
  const body = operation.operation;
  if (body.case !== undefined) body.value.namespace = namespace === batchNamespace ? "" : namespace;
  return operation;
}
