/** One shard of the library on a real engine, with the calls of the store: what tests compare with an embedded store. */
import { randomBytes } from "node:crypto";
import type {
  GetCommand,
  GetResult,
  IncrementCommand,
  IncrementResult,
  InspectResult,
  InvalidateCommand,
  InvalidateResult,
  LeaseCommand,
  LeaseResult,
  SetCommand,
  SetResult,
  TouchCommand,
  TouchResult,
} from "../../../src/store/api/store.ts";
import { readHead, type ShardHead } from "../../../src/tier/library/head.ts";
import { entryName, layoutId, shardKeys, TIER_SHARDS, writeLayout } from "../../../src/tier/library/keys.ts";
import * as operations from "../../../src/tier/library/operations.ts";
import { readRecords, type TierRecord } from "../../../src/tier/library/records.ts";
import * as results from "../../../src/tier/library/results.ts";
import type { RespConnection } from "./resp-connection.ts";
import { EngineError, type Reply } from "./resp-replies.ts";

const LAYOUT_ID = layoutId(writeLayout({ shards: TIER_SHARDS, seed: 1n }));
const SWEPT_MAX = 64;

export class LibraryShard {
  readonly keys: ReturnType<typeof shardKeys>;
  readonly #connection: RespConnection;
  readonly #shard: number;
  readonly #header: Buffer;
  /** Of the last call. */
  nowMs = 0;
  epoch = 0n;

  constructor(connection: RespConnection, shard = 0, streamMaxRecords = 100_000) {
    this.#connection = connection;
    this.#shard = shard;
    this.keys = shardKeys(shard);
    this.#header = operations.callHeader(LAYOUT_ID, streamMaxRecords);
  }

  /** The answers to the operations; throws the error of the call. `reader`: the function that only reads. */
  async run(all: readonly Buffer[], reader = false): Promise<Buffer[]> {
    const { head, stream } = this.keys;
    const name = reader ? "mc_read" : "mc_run";
    const reply = await this.#connection.call("FCALL", name, 2, head, stream, this.#header, ...all);
    const [top, ...answers] = buffersIn(reply);
    if (top === undefined) throw new Error("an answer has a head");
    const { epoch, nowMs } = results.readCallHead(top);
    this.epoch = epoch;
    this.nowMs = nowMs;
    return answers;
  }

  /** Makes this process the writer of the shard. Returns whether it was claimed by this. */
  async claim(): Promise<boolean> {
    const head = await this.#connection.call("GET", this.keys.head);
    const { head: headKey, stream } = this.keys;
    const expected = head instanceof Buffer ? head : "";
    const claim = ["FCALL", "mc_claim", 2, headKey, stream, this.#header, expected, randomBytes(8)] as const;
    const reply = await this.#connection.call(...claim);
    return Array.isArray(reply) && reply[1] === 1;
  }

  async readHead(): Promise<ShardHead | undefined> {
    const head = await this.#connection.call("GET", this.keys.head);
    return head instanceof Buffer ? readHead(head) : undefined;
  }

  async readRaw(namespace: string, key: string): Promise<Buffer | null> {
    const entry = await this.#connection.call("GET", this.keys.entries + entryName(namespace, key));
    return entry instanceof Buffer ? entry : null;
  }

  async get(command: GetCommand, reader = false): Promise<GetResult> {
    const answer = await this.#one(operations.getOperation(command, command.allowStale), reader);
    return results.readGet(answer, this.#context, command.ifVersion);
  }

  async inspect(namespace: string, key: string): Promise<InspectResult> {
    return results.readInspect(
      await this.#one(operations.inspectOperation({ namespace, key })),
      this.#context,
    );
  }

  async set(command: SetCommand): Promise<SetResult> {
    return results.readSet(await this.#one(operations.setOperation(command, sameEpoch)), this.#context);
  }

  async touch(command: TouchCommand): Promise<TouchResult> {
    return results.readTouch(await this.#one(operations.touchOperation(command)), this.#context);
  }

  async increment(command: IncrementCommand): Promise<IncrementResult> {
    const answer = await this.#one(operations.incrementOperation(command, sameEpoch));
    return results.readIncrement(answer, this.#context);
  }

  async lease(command: LeaseCommand, token: bigint): Promise<LeaseResult> {
    return results.readLease(
      await this.#one(operations.leaseOperation(command, token)),
      this.#context,
      token,
    );
  }

  async release(namespace: string, key: string, token: bigint): Promise<boolean> {
    const answer = await this.#one(operations.releaseOperation({ namespace, key }, token));
    return results.readRelease(answer, this.#context).released;
  }

  async invalidate(command: InvalidateCommand): Promise<InvalidateResult> {
    const { asOf, removed } = results.readInvalidate(await this.#one(toOperation(command)), this.#context);
    return { stamps: [asOf], removed };
  }

  /** As a sweep does with the entries that it has come to. */
  async removeDead(names: readonly { readonly namespace: string; readonly key: string }[]): Promise<void> {
    await this.#one(operations.sweepOperation(names));
  }

  /** A sweep over all entries of the engine, as a server makes it. */
  async sweep(): Promise<void> {
    const head = await this.readHead();
    if (head === undefined) return;
    for (let cursor = "0"; ; ) {
      const reply = await this.#connection.call(
        "SCAN",
        cursor,
        "MATCH",
        `${this.keys.entries}*`,
        "COUNT",
        100,
      );
      if (!Array.isArray(reply)) throw new Error("a scan answers with a list");
      const [next, found] = reply;
      const names = buffersIn(found ?? null).map((key) =>
        namesIn(key.toString().slice(this.keys.entries.length)),
      );
      for (let begin = 0; begin < names.length; begin += SWEPT_MAX) {
        await this.removeDead(names.slice(begin, begin + SWEPT_MAX));
      }
      cursor = String(next);
      if (cursor === "0") break;
    }
    await this.swept(head.epoch, head.revision);
  }

  /** Says that a sweep is done. Returns whether the shard took it. */
  async swept(epoch: bigint, revision: number): Promise<boolean> {
    return (await this.#one(operations.sweptOperation(epoch, revision)))[0] === 0;
  }

  /** All records of the stream. */
  async records(): Promise<TierRecord[]> {
    const reply = await this.#connection.call("XRANGE", this.keys.stream, "-", "+");
    if (!Array.isArray(reply)) throw new Error("a stream answers with a list");
    return reply.flatMap((item: Reply) => {
      const fields = Array.isArray(item) && Array.isArray(item[1]) ? item[1] : [];
      return readRecords(buffersIn(fields)[1] ?? Buffer.alloc(0), this.#shard);
    });
  }

  async #one(operation: Buffer, reader = false): Promise<Buffer> {
    const [answer] = await this.run([operation], reader);
    if (answer === undefined) throw new Error("an operation has an answer");
    return answer;
  }

  get #context(): results.ResultContext {
    return { shard: this.#shard, nowMs: this.nowMs };
  }
}

const sameEpoch = (epoch: bigint): bigint => epoch;

function toOperation(command: InvalidateCommand): Buffer {
  const { target } = command;
  switch (target.kind) {
    case "keys":
      return operations.invalidateKeysOperation(command, [...new Set(target.keys)]);
    case "tags":
      return operations.invalidateTagsOperation(command, [...new Set(target.tags)]);
    case "prefix":
      return operations.invalidatePrefixOperation(command, target.prefix);
    default:
      return operations.invalidatePrefixOperation(command, undefined);
  }
}

function namesIn(name: string): { readonly namespace: string; readonly key: string } {
  const end = name.indexOf("\0");
  return { namespace: name.slice(0, end), key: name.slice(end + 1) };
}

function buffersIn(reply: Reply): Buffer[] {
  if (!Array.isArray(reply)) throw new Error("the answer is a list");
  return reply.map((item) => {
    if (item instanceof EngineError) throw item;
    if (item instanceof Buffer) return item;
    throw new Error("an item of the answer is bytes");
  });
}
