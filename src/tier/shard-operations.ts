/** Operations of one shard: they wait here for its node, leave together, and settle when the mirror has come as far as their results. */
import { CacheError, limitExceeded } from "../common/errors.ts";
import { unavailable } from "./engine/connection.ts";
import { EngineError, type Reply } from "./engine/resp3.ts";
import type { ShardKeys } from "./library/keys.ts";
import { CALL_MAX_OPERATIONS } from "./library/operations.ts";
import { type CallHead, readCallHead } from "./library/results.ts";
import {
  argumentsOf,
  type CallCounts,
  errorOf,
  functionOf,
  isElsewhere,
  isMissingLibrary,
  needsMemory,
  outcomeOf,
  startSpans,
  unexpectedReply,
} from "./library-call.ts";
import type { Mirror } from "./mirror.ts";
import { isNative, readNatively } from "./native-reads.ts";
import type { NodeLink } from "./node-link.ts";
import type { ShardOperation } from "./operation.ts";
import type { TierOptions } from "./options.ts";

/** Of the operations of one call, beside which other shards' calls are to find room. */
const CALL_MAX_BYTES = 1 << 20;
const REVISION_AT = 1;
const REVISION_BYTES = 6;

export interface OperationDeps {
  readonly telemetry: TierOptions["telemetry"];
  readonly counts: CallCounts;
  readonly mirror: Mirror;
  /** The first argument of every call. */
  readonly callHeader: () => Buffer;
  /** Tells whether the node was the primary of the key's shard when it answered: `settle` is called once, later. */
  acknowledge(link: NodeLink, key: string, settle: (isAcknowledged: boolean) => void): void;
}

/** What is known of the shard's node and its feed. */
export interface OperationLine {
  /** Undefined: the shard cannot be called now. */
  readyLink(): NodeLink | undefined;
  /** An answer is as of this revision, which the feed has yet to tell of. */
  expect(epoch: bigint, revision: number): void;
  /** The shard may have begun again. */
  resync(link: NodeLink): void;
  /** The node does not serve the shard, or not now. */
  left(link: NodeLink): void;
}

export class ShardOperations {
  readonly #shard: number;
  readonly #keys: ShardKeys;
  readonly #deps: OperationDeps;
  readonly #line: OperationLine;
  #queue: ShardOperation[] = [];
  /** What was refused before it ran, in its order: it goes before the queue. */
  #again: ShardOperation[] = [];
  /** What changes something and waits for the answer to what was changed before it: it goes before the queue. */
  #held: ShardOperation[] = [];
  /** Calls that may change something and have no answer yet, at the node that was called last. */
  #out: { readonly link: NodeLink | undefined; writes: number } = { link: undefined, writes: 0 };

  constructor(shard: number, keys: ShardKeys, deps: OperationDeps, line: OperationLine) {
    this.#shard = shard;
    this.#keys = keys;
    this.#deps = deps;
    this.#line = line;
  }

  get queued(): number {
    return this.#again.length + this.#held.length + this.#queue.length;
  }

  add(operation: ShardOperation): void {
    this.#queue.push(operation);
  }

  /** Sends what waits, if the shard can be called. */
  flush(): void {
    const link = this.#line.readyLink();
    if (link === undefined || this.queued === 0) return;
    if (link !== this.#out.link) this.#out = { link, writes: 0 };
    if (this.#queue.every(({ isRead }) => !isRead)) {
      for (const operation of this.#take()) this.#held.push(operation);
    }
    if (this.#isHolding()) return;
    const before = [...this.#again, ...this.#held];
    this.#again = [];
    this.#held = [];
    this.#sendAll(before, link);
    this.#sendAll(this.#take(), link);
  }

  /**
   * The engine runs one call after the other. What changes something and comes while another change is there leaves behind it as one
   * call, which costs the engine less than several. A read is not kept waiting so: it leaves at once, behind what is held.
   */
  #isHolding(): boolean {
    if (this.#out.writes === 0 || this.#again.length > 0 || this.#queue.length > 0) return false;
    return this.#held.length < CALL_MAX_OPERATIONS;
  }

  #take(): readonly ShardOperation[] {
    const queue = this.#queue;
    this.#queue = [];
    return queue;
  }

  #sendAll(operations: readonly ShardOperation[], link: NodeLink): void {
    let call: ShardOperation[] = [];
    let bytes = 0;
    for (const operation of operations) {
      if (operation.isCancelled) continue;
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
    if (this.queued === 0) return;
    const isDue = ({ dueMs }: ShardOperation) => dueMs <= nowMs;
    const due = [...this.#again, ...this.#held, ...this.#queue].filter(isDue);
    if (due.length === 0) return;
    const isLeft = (operation: ShardOperation) => !isDue(operation);
    this.#again = this.#again.filter(isLeft);
    this.#held = this.#held.filter(isLeft);
    this.#queue = this.#queue.filter(isLeft);
    const isServed = this.#line.readyLink() !== undefined;
    fail(
      due,
      unavailable(
        isServed
          ? "the engine has not answered what was sent before"
          : "no node of the engine serves the shard now",
      ),
    );
  }

  #send(call: readonly ShardOperation[], link: NodeLink): void {
    if (call.length === 0) return;
    if (isNative(call)) this.#readNatively(call, link);
    else this.#call(call, link);
  }

  #readNatively(call: readonly ShardOperation[], link: NodeLink): void {
    const { mirror, counts } = this.#deps;
    const followed = () => ({ epoch: mirror.epochOf(this.#shard), revision: mirror.revisionOf(this.#shard) });
    readNatively(call, this.#keys, link, followed, (answer) => {
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
    const spans = startSpans(this.#deps.telemetry, name, call, link.node.endpoint);
    const out = this.#out;
    const writes = name === "mc_read" ? 0 : 1;
    out.writes += writes;
    link.connection.send(argumentsOf(name, this.#keys, this.#deps.callHeader(), call), (reply) => {
      for (const span of spans) span.end(errorOf(reply));
      this.#deps.counts[outcomeOf(reply)] += 1;
      out.writes -= writes;
      this.#answer(call, link, reply);
      if (out.writes === 0 && this.#held.length > 0) this.flush();
    });
  }

  #answer(call: readonly ShardOperation[], link: NodeLink, reply: Reply | Error): void {
    if (reply instanceof Error) {
      this.#refused(call, link, reply);
      return;
    }
    const [top, ...results] = reply as readonly Reply[];
    if (!Buffer.isBuffer(top) || results.length !== call.length) {
      fail(call, unexpectedReply(reply));
      return;
    }
    const head = readCallHead(top);
    const isRead = call.every((operation) => operation.isRead);
    const settle = () => {
      for (const [index, operation] of call.entries()) this.#settle(operation, head, results[index]);
    };
    if (isRead) settle();
    else {
      this.#deps.acknowledge(link, this.#keys.head, (isAcknowledged) => {
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
      operation.settle(unexpectedReply(result));
      return;
    }
    const revision = result.readUIntBE(REVISION_AT, REVISION_BYTES);
    this.#line.expect(epoch, revision);
    this.#deps.mirror.whenReached(this.#shard, epoch, revision, operation.dueMs, (isReached) => {
      if (operation.isCancelled) return;
      if (isReached) operation.settle({ epoch, nowMs, result });
      else
        operation.settle(
          unavailable("the shard has begun again: the operation may or may not have taken effect"),
        );
    });
  }

  #refused(call: readonly ShardOperation[], link: NodeLink, error: Error): void {
    const code = error instanceof EngineError ? error.code : undefined;
    if (code === undefined) this.#lost(call, error);
    else if (code === "TENURE") this.#retry(call, () => this.#line.resync(link));
    else if (code === "SUSPECT" || isMissingLibrary(error)) this.#retry(call, () => link.verify());
    else if (isElsewhere(error)) this.#retry(call, () => this.#line.left(link));
    else if (code === "OOM") this.#outOfMemory(call, link);
    else {
      this.#deps.telemetry.logger.error({ err: error, shard: this.#shard }, "the engine has refused a call");
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
    if (link === this.#line.readyLink()) this.#send(kept, link);
    else this.#repeat(kept);
  }

  #retry(call: readonly ShardOperation[], then: () => void): void {
    this.#repeat(call);
    then();
  }

  #repeat(call: readonly ShardOperation[]): void {
    for (const operation of call) this.#again.push(operation);
  }
}

function fail(call: readonly ShardOperation[], error: Error): void {
  for (const operation of call) if (!operation.isCancelled) operation.settle(error);
}
