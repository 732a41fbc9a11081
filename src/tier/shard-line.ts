/**
 * One shard as this server uses it: operations wait here for their node, leave together, and settle when the mirror has come as far
 * as their results. Follows the feed of the shard, and claims it where its life has ended.
 */
import type { Clock } from "../common/clock.ts";
import { CacheError, limitExceeded } from "../common/errors.ts";
import type { Rng } from "../common/random.ts";
import type { EngineSpan } from "../telemetry/telemetry.ts";
import { ask, isEngineError, subscribe } from "./engine/ask.ts";
import { unavailable } from "./engine/connection.ts";
import { type Argument, EngineError, type Reply } from "./engine/resp3.ts";
import { type ShardKeys, slotOfShard } from "./library/keys.ts";
import { CALL_MAX_OPERATIONS, getOperation, isFreeing } from "./library/operations.ts";
import { readRecords, type TierRecord } from "./library/records.ts";
import { type CallHead, readCallHead } from "./library/results.ts";
import type { Mirror } from "./mirror.ts";
import { isNative, readNatively } from "./native-reads.ts";
import type { NodeLink } from "./node-link.ts";
import type { ShardOperation } from "./operation.ts";
import type { TierOptions } from "./options.ts";

/** Of the operations of one call, beside which other shards' calls are to find room. */
const CALL_MAX_BYTES = 1 << 20;
const REVISION_AT = 1;
const REVISION_BYTES = 6;
/** Asks for nothing that is there: its answer says whose the shard is, and up to where. */
export const TENURE_CHECK = getOperation({ namespace: "", key: "" }, false, true);

/** Answers of the engine before which nothing has run, and after which another node, or the same one later, may serve the call. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  "MOVED",
  "ASK",
  "TRYAGAIN",
  "CLUSTERDOWN",
  "READONLY",
  "LOADING",
  "MASTERDOWN",
]);

export interface LineDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly telemetry: TierOptions["telemetry"];
  readonly counts: CallCounts;
  readonly mirror: Mirror;
  /** What is written beside each shard. */
  readonly layout: () => Buffer;
  /** The first argument of every call. */
  readonly callHeader: () => Buffer;
  /** Tells whether the node was a primary when it answered: `settle` is called once, later. */
  acknowledge(link: NodeLink, settle: (isAcknowledged: boolean) => void): void;
  /** Some slots are elsewhere: every line is attached anew. */
  refresh(): void;
  /** A shard of the node has begun again, and so may others of it. */
  lost(link: NodeLink): void;
  /** A record was applied, or a lease has ended. */
  recorded(shard: number, record: TierRecord): void;
  /** A shard has come to another epoch, or a line is ready. */
  changed(): void;
}

/** "adrift": no node is known to serve it. "held": its node may not be called. */
export type LineState = "adrift" | "held" | "syncing" | "ready";

export class ShardLine {
  readonly shard: number;
  readonly keys: ShardKeys;
  readonly #deps: LineDeps;
  #link: NodeLink | undefined;
  #state: LineState = "adrift";
  #queue: ShardOperation[] = [];
  /** What was refused before it ran, in its order: it goes before the queue. */
  #again: ShardOperation[] = [];
  /** Each attempt to follow the feed has another number. */
  #attempt = 0;
  #entries = 0;
  /** What an answer is as of that the feed has not told of yet. */
  #awaited: Awaited | undefined;

  constructor(shard: number, keys: ShardKeys, deps: LineDeps) {
    this.shard = shard;
    this.keys = keys;
    this.#deps = deps;
  }

  get state(): LineState {
    return this.#state;
  }

  get link(): NodeLink | undefined {
    return this.#link;
  }

  /** Keys of the shard beside its head and its stream, as last counted: entries, and what it remembers of them. */
  get entries(): number {
    return this.#entries;
  }

  get queued(): number {
    return this.#queue.length + this.#again.length;
  }

  /** The node that has the slot now. Undefined: none is known. */
  attach(link: NodeLink | undefined): void {
    if (link === this.#link && (this.#state === "ready" || this.#state === "syncing")) return;
    this.#link = link;
    this.#attempt += 1;
    if (link === undefined) this.#state = "adrift";
    else if (link.isVerified) this.#sync(link);
    else this.#state = "held";
  }

  /** Its node must not be called until it is verified. */
  hold(link: NodeLink): void {
    if (link !== this.#link) return;
    this.#attempt += 1;
    this.#state = link.isOpen ? "held" : "adrift";
    if (!link.isOpen) this.#link = undefined;
  }

  add(operation: ShardOperation): void {
    this.#queue.push(operation);
  }

  /** Sends what waits, if the shard can be called. */
  flush(): void {
    const link = this.#link;
    if (this.#state !== "ready" || link === undefined || this.queued === 0) return;
    const operations = [...this.#again, ...this.#queue].filter(({ isCancelled }) => !isCancelled);
    this.#again = [];
    this.#queue = [];
    let call: ShardOperation[] = [];
    let bytes = 0;
    for (const operation of operations) {
      if (call.length === CALL_MAX_OPERATIONS || bytes + operation.bytes.length > CALL_MAX_BYTES) {
        this.#send(call, link);
        call = [];
        bytes = 0;
      }
      call.push(operation);
      bytes += operation.bytes.length;
    }
    this.#send(call, link);
  }

  /** Fails what has waited for too long. */
  expire(nowMs: number): void {
    // What can leave does, however late this process is.
    this.flush();
    this.#checkFeed(nowMs);
    if (this.queued === 0) return;
    const isDue = ({ dueMs }: ShardOperation) => dueMs <= nowMs;
    const due = [...this.#again, ...this.#queue].filter(isDue);
    if (due.length === 0) return;
    this.#again = this.#again.filter((operation) => !isDue(operation));
    this.#queue = this.#queue.filter((operation) => !isDue(operation));
    fail(due, unavailable("no node of the engine serves the shard now"));
  }

  /** Asks how many keys there are, for who reads `entries` later. */
  count(): void {
    if (this.#state !== "ready") return;
    const slot = String(slotOfShard(this.shard));
    this.#link?.connection.send(["CLUSTER", "COUNTKEYSINSLOT", slot], (reply) => {
      if (typeof reply === "number") this.#entries = Math.max(0, reply - KEYS_OF_A_SHARD);
    });
  }

  /** What its node has published. */
  message(link: NodeLink, payload: Buffer): void {
    // What comes before the end of the stream was read is in what is read.
    if (link !== this.#link || this.#state !== "ready") return;
    const records = readRecords(payload, this.shard);
    const isLost = records.some(
      ({ kind, epoch }) => kind === "claimed" && epoch !== this.#deps.mirror.epochOf(this.shard),
    );
    for (const record of records) this.#take(record, link);
    if (isLost) this.#deps.lost(link);
  }

  /** Looks whether the shard has begun again, as another one of its node has. */
  check(link: NodeLink): void {
    this.#resync(link);
  }

  #send(call: readonly ShardOperation[], link: NodeLink): void {
    if (call.length === 0) return;
    if (isNative(call)) this.#readNatively(call, link);
    else this.#call(call, link);
  }

  #readNatively(call: readonly ShardOperation[], link: NodeLink): void {
    const { mirror, counts } = this.#deps;
    const followed = () => ({ epoch: mirror.epochOf(this.shard), revision: mirror.revisionOf(this.shard) });
    readNatively(call, this.keys, link, followed, (answer) => {
      switch (answer.kind) {
        case "failed":
          counts[outcomeOf(answer.error)] += 1;
          this.#refused(call, link, answer.error);
          return;
        case "unsure":
          this.#askLibrary(call);
          return;
        case "read": {
          counts.answered += 1;
          const unknown = call.filter((_, index) => answer.results[index] === undefined);
          for (const [index, operation] of call.entries()) {
            const result = answer.results[index];
            if (result !== undefined) this.#settle(operation, answer, result);
          }
          this.#askLibrary(unknown);
          return;
        }
        default:
          answer satisfies never;
      }
    });
  }

  #askLibrary(call: readonly ShardOperation[]): void {
    if (call.length === 0) return;
    for (const operation of call) operation.mustAsk = true;
    this.#repeat(call);
    this.flush();
  }

  #call(call: readonly ShardOperation[], link: NodeLink): void {
    const name = functionOf(call);
    const spans = this.#startSpans(name, call, link);
    link.connection.send(this.#argumentsOf(name, call), (reply) => {
      for (const span of spans) span?.end(errorOf(reply));
      this.#deps.counts[outcomeOf(reply)] += 1;
      this.#answer(call, link, reply);
    });
  }

  #startSpans(
    functionName: string,
    call: readonly ShardOperation[],
    link: NodeLink,
  ): readonly (EngineSpan | undefined)[] {
    const { telemetry } = this.#deps;
    const { host, port } = link.node.endpoint;
    const spans: (EngineSpan | undefined)[] = [];
    for (const { traceparent } of call) {
      if (traceparent === "") continue;
      const engineCall = { functionName, address: host, port, operations: call.length };
      spans.push(telemetry.startEngineCall(engineCall, traceparent));
    }
    return spans;
  }

  #argumentsOf(name: LibraryFunction, call: readonly ShardOperation[]): Argument[] {
    const { head, stream, entries } = this.keys;
    const args: Argument[] = [name === "mc_read" ? "FCALL_RO" : "FCALL", name, "", head, stream];
    for (const { keys } of call) for (const key of keys) args.push(entries + key);
    args[2] = String(args.length - 3);
    args.push(this.#deps.callHeader());
    for (const { bytes } of call) args.push(bytes);
    return args;
  }

  #answer(call: readonly ShardOperation[], link: NodeLink, reply: Reply | Error): void {
    if (reply instanceof Error) {
      this.#refused(call, link, reply);
      return;
    }
    const [top, ...results] = reply as readonly Reply[];
    if (!Buffer.isBuffer(top) || results.length !== call.length) {
      fail(call, unexpected(reply));
      return;
    }
    const head = readCallHead(top);
    const isRead = call.every((operation) => operation.isRead);
    const settle = () => {
      for (const [index, operation] of call.entries()) this.#settle(operation, head, results[index]);
    };
    if (isRead) settle();
    else {
      this.#deps.acknowledge(link, (isAcknowledged) => {
        if (isAcknowledged) settle();
        else
          fail(
            call,
            unavailable("the engine elects another node: the operation may or may not have taken effect"),
          );
      });
    }
  }

  /** When whoever subscribes here can read all events that the result is as of. */
  #settle(
    operation: ShardOperation,
    { epoch, nowMs }: Pick<CallHead, "epoch" | "nowMs">,
    result: Reply | undefined,
  ): void {
    if (operation.isCancelled) return;
    if (!Buffer.isBuffer(result)) {
      operation.settle(unexpected(result));
      return;
    }
    const revision = result.readUIntBE(REVISION_AT, REVISION_BYTES);
    this.#await(epoch, revision);
    this.#deps.mirror.whenReached(this.shard, epoch, revision, operation.dueMs, (isReached) => {
      if (operation.isCancelled) return;
      if (isReached) operation.settle({ epoch, nowMs, result });
      else
        operation.settle(
          unavailable("the shard has begun again: the operation may or may not have taken effect"),
        );
    });
  }

  #await(epoch: bigint, revision: number): void {
    if (!this.#deps.mirror.isBehind(this.shard, epoch, revision)) return;
    if (this.#awaited?.epoch === epoch) this.#awaited.revision = Math.max(this.#awaited.revision, revision);
    else this.#awaited = { epoch, revision, ...this.#feedNow(this.#deps.clock.nowMs()) };
  }

  #feedNow(nowMs: number): Pick<Awaited, "followed" | "stillSinceMs"> {
    return { followed: this.#deps.mirror.revisionOf(this.shard), stillSinceMs: nowMs };
  }

  /** A push that was lost is found by the next one, or else by an answer that nothing in the feed explains. */
  #checkFeed(nowMs: number): void {
    const awaited = this.#awaited;
    const { mirror } = this.#deps;
    if (awaited === undefined) return;
    if (!mirror.isBehind(this.shard, awaited.epoch, awaited.revision)) this.#awaited = undefined;
    else if (mirror.revisionOf(this.shard) !== awaited.followed) {
      Object.assign(awaited, this.#feedNow(nowMs));
    } else if (nowMs - awaited.stillSinceMs >= FEED_STILL_MAX_MS && this.#link !== undefined) {
      this.#awaited = undefined;
      this.#resync(this.#link);
    }
  }

  #refused(call: readonly ShardOperation[], link: NodeLink, error: Error): void {
    const code = error instanceof EngineError ? error.code : undefined;
    if (code === undefined) this.#lost(call, error);
    else if (code === "TENURE") this.#retry(call, () => this.#resync(link));
    else if (code === "SUSPECT" || isMissingLibrary(error)) this.#retry(call, () => link.verify());
    else if (ELSEWHERE.has(code)) {
      this.#retry(call, () => {
        this.hold(link);
        this.#deps.refresh();
      });
    } else if (code === "OOM") this.#outOfMemory(call, link);
    else {
      this.#deps.telemetry.logger.error({ err: error, shard: this.shard }, "the engine has refused a call");
      fail(call, new CacheError("INTERNAL", "internal error", {}, { cause: error }));
    }
  }

  /** A read that has not been answered may be asked again; what a mutation has done is not known. */
  #lost(call: readonly ShardOperation[], error: Error): void {
    const isUnsent = error instanceof CacheError && error.reason === "LIMIT_EXCEEDED";
    if (!isUnsent) this.#repeat(call.filter(({ isRead }) => isRead));
    fail(isUnsent ? call : call.filter(({ isRead }) => !isRead), error);
  }

  /** What needs no memory is asked again, by itself: an engine without memory takes it. */
  #outOfMemory(call: readonly ShardOperation[], link: NodeLink): void {
    const kept = functionOf(call) === "mc_run" ? call.filter((operation) => !needsMemory(operation)) : [];
    fail(
      call.filter((operation) => !kept.includes(operation)),
      limitExceeded("engine_memory", "maxmemory of the engine"),
    );
    if (link === this.#link && this.#state === "ready") this.#send(kept, link);
    else this.#repeat(kept);
  }

  #retry(call: readonly ShardOperation[], then: () => void): void {
    this.#repeat(call);
    then();
  }

  #repeat(call: readonly ShardOperation[]): void {
    for (const operation of call) this.#again.push(operation);
  }

  #resync(link: NodeLink): void {
    if (link === this.#link && this.#state === "ready") this.#sync(link);
  }

  #sync(link: NodeLink): void {
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#state = "syncing";
    const isCurrent = () => attempt === this.#attempt && link.isOpen;
    this.#follow(link, isCurrent).catch((error: unknown) => {
      if (!isCurrent()) return;
      this.#state = "held";
      if (isEngineError(error, "SUSPECT") || isMissingLibrary(error)) {
        link.verify();
        return;
      }
      if (!(error instanceof EngineError && ELSEWHERE.has(error.code))) {
        this.#deps.telemetry.logger.warn({ err: error, shard: this.shard }, "a shard cannot be followed");
      }
      this.#deps.refresh();
    });
  }

  async #follow(link: NodeLink, isCurrent: () => boolean): Promise<void> {
    const { stream } = this.keys;
    const { mirror } = this.#deps;
    await subscribe(link.connection, stream);
    const head = await this.#tenure(link);
    // Where there is no memory for it the other shards have it.
    link.connection.send(["SET", this.keys.layout, this.#deps.layout(), "NX"], () => {});
    if (!isCurrent()) return;
    const isKnown = mirror.epochOf(this.shard) === head.epoch;
    const begin = isKnown ? `(${mirror.revisionOf(this.shard)}-1` : "-";
    await new Promise<void>((resolve, reject) => {
      this.#readOn(link, begin, (page, last) => {
        if (page instanceof Error) reject(page);
        else if (!isCurrent()) resolve();
        else {
          this.#catchUp(head, page, link, last !== undefined);
          if (last === undefined) resolve();
        }
        return !(page instanceof Error) && isCurrent();
      });
    });
  }

  /**
   * Reads the records of the stream page by page, and goes on while `take` returns true. `last`: the id of the page's last record; undefined on
   * the last page. Not in later turns: what is published behind the last page is the next record.
   */
  #readOn(
    link: NodeLink,
    begin: string,
    take: (page: readonly TierRecord[] | Error, last: string | undefined) => boolean,
  ): void {
    const args = ["XRANGE", this.keys.stream, begin, "+", "COUNT", String(PAGE_RECORDS)];
    link.connection.send(args, (reply) => {
      if (reply instanceof Error) {
        take(reply, undefined);
        return;
      }
      const last = lastIdOf(reply);
      const goesOn = take(toRecords(reply, this.shard), last);
      if (goesOn && last !== undefined) this.#readOn(link, `(${last}`, take);
    });
  }

  /** The shard is this server's to use: claims it where it is nobody's. */
  async #tenure(link: NodeLink): Promise<CallHead> {
    const { callHeader, rng } = this.#deps;
    const { head, stream } = this.keys;
    for (let tries = 0; ; tries++) {
      try {
        const reply = await ask(link.connection, [
          "FCALL_RO",
          "mc_read",
          "2",
          head,
          stream,
          callHeader(),
          TENURE_CHECK,
        ]);
        const [top] = reply as readonly Reply[];
        if (!Buffer.isBuffer(top)) throw unexpected(reply);
        return readCallHead(top);
      } catch (error) {
        if (!isEngineError(error, "TENURE") || tries === CLAIMS_MAX) throw error;
      }
      this.#deps.lost(link);
      const found = await ask(link.connection, ["GET", head]);
      const epoch = Buffer.alloc(8);
      epoch.writeBigUInt64BE(rng.uint64());
      const expected = Buffer.isBuffer(found) ? found : "";
      await ask(link.connection, ["FCALL", "mc_claim", "2", head, stream, callHeader(), expected, epoch]);
    }
  }

  /** `goesOn`: there are more records. */
  #catchUp(head: CallHead, records: readonly TierRecord[], link: NodeLink, goesOn: boolean): void {
    const { mirror } = this.#deps;
    const [first] = records;
    if (first !== undefined && first.kind === "events") {
      const isNext =
        first.epoch === mirror.epochOf(this.shard) && first.revision === mirror.revisionOf(this.shard) + 1;
      if (!isNext) mirror.moveTo(this.shard, first.epoch, first.revision - 1);
    }
    // The stream has nothing newer than what is known; or nothing at all, which only a shard that has begun again has.
    const isBehind =
      mirror.epochOf(this.shard) !== head.epoch || mirror.revisionOf(this.shard) < head.revision;
    if (first === undefined && isBehind) mirror.moveTo(this.shard, head.epoch, head.revision);
    for (const record of records) this.#take(record, link);
    if (goesOn) return;
    this.#state = "ready";
    this.#deps.changed();
    this.flush();
  }

  #take(record: TierRecord, link: NodeLink): void {
    const { mirror } = this.#deps;
    if (record.kind === "claimed") {
      mirror.moveTo(this.shard, record.epoch, record.revision);
      this.#deps.changed();
    } else if (record.kind === "events" && mirror.apply(this.shard, record) === "gap") {
      this.#resync(link);
      return;
    }
    this.#deps.recorded(this.shard, record);
  }
}

type LibraryFunction = "mc_read" | "mc_free" | "mc_run";

function functionOf(call: readonly ShardOperation[]): LibraryFunction {
  if (call.every(({ isRead }) => isRead)) return "mc_read";
  return call.some(needsMemory) ? "mc_run" : "mc_free";
}

function needsMemory({ isRead, bytes }: ShardOperation): boolean {
  return !isRead && !isFreeing(bytes);
}

/** How calls ended. */
export type CallCounts = Record<"answered" | "refused" | "lost", number>;

function outcomeOf(reply: Reply | Error): keyof CallCounts {
  if (reply instanceof EngineError) return "refused";
  return reply instanceof Error ? "lost" : "answered";
}

/** Empty: there is none. */
function errorOf(reply: Reply | Error): string {
  if (reply instanceof EngineError) return reply.code;
  return reply instanceof CacheError ? reply.reason : "";
}

interface Awaited {
  readonly epoch: bigint;
  /** The latest of all answers. */
  revision: number;
  /** Up to where the feed had come when it last moved. */
  followed: number;
  stillSinceMs: number;
}

/** Answers and the events that they are as of come on one connection. */
const FEED_STILL_MAX_MS = 100;
/** The head, the stream and the layout. */
const KEYS_OF_A_SHARD = 3;
/** Of the stream, that are read at once. */
const PAGE_RECORDS = 1_024;
/** Servers that claim the same shard at once find it claimed. */
const CLAIMS_MAX = 3;

function fail(call: readonly ShardOperation[], error: Error): void {
  for (const operation of call) if (!operation.isCancelled) operation.settle(error);
}

function unexpected(reply: Reply | undefined): CacheError {
  const cause = new Error(`the library answered with ${reply === null ? "nothing" : typeof reply}`);
  return new CacheError("INTERNAL", "internal error", {}, { cause });
}

/** The engine has no code for it. */
function isMissingLibrary(error: unknown): boolean {
  return error instanceof EngineError && error.code === "ERR" && error.message.includes("Function not found");
}

/** Of a page of XRANGE. Undefined: it is the last one. */
function lastIdOf(reply: Reply): string | undefined {
  if (!Array.isArray(reply) || reply.length < PAGE_RECORDS) return undefined;
  const [id] = (reply as readonly Reply[]).at(-1) as readonly Reply[];
  return String(id);
}

/** Of XRANGE. */
function toRecords(reply: Reply, shard: number): TierRecord[] {
  if (!Array.isArray(reply)) return [];
  return (reply as readonly Reply[]).flatMap((record) => {
    const [, fields] = record as readonly Reply[];
    const [, payload] = fields as readonly Reply[];
    if (!Buffer.isBuffer(payload)) throw unexpected(payload);
    return readRecords(payload, shard);
  });
}
