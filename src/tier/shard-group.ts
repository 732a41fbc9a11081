/** All shards of the tier: brings the nodes, the shards, the mirror and the proofs together. */

import type { Timer } from "../common/clock.ts";
import { CacheError, limitExceeded } from "../common/errors.ts";
import type { Pending, Settle } from "../store/api/backend.ts";
import type { EngineObservation } from "../store/api/store.ts";
import { Barrier } from "./barrier.ts";
import { Cluster } from "./cluster.ts";
import { ask } from "./engine/ask.ts";
import { unavailable } from "./engine/connection.ts";
import type { Reply } from "./engine/resp3.ts";
import { rangeOf, type Topology } from "./engine/topology.ts";
import type { ListedNode } from "./key-listing.ts";
import { layoutId, readLayout, shardKeys, slotOfShard, TIER_SHARDS, writeLayout } from "./library/keys.ts";
import { callHeader, OTHER_EPOCH } from "./library/operations.ts";
import type { TierRecord } from "./library/records.ts";
import type { ResultContext } from "./library/results.ts";
import { Mirror } from "./mirror.ts";
import type { NodeLink } from "./node-link.ts";
import type { ShardOperation } from "./operation.ts";
import type { TierOptions } from "./options.ts";
import { serversOf } from "./quorum.ts";
import { ShardLine } from "./shard-line.ts";

/** Operations that wait for their nodes or for their answers, and what they hold. */
const OPERATIONS_MAX = 65_536;
const OPERATIONS_MAX_BYTES = 128 * 1024 * 1024;
/** A shard that was claimed is announced together with others of its node. */
const ANNOUNCE_DELAY_MS = 20;
const ANNOUNCE_MAX_MS = 500;
/** Of the keys of each shard, for statistics. */
const COUNT_INTERVAL_MS = 1_000;

export interface NewOperation extends Pick<ShardOperation, "bytes" | "keys" | "isRead" | "traceparent"> {
  readonly entry?: ShardOperation["entry"];
}

export interface GroupListener {
  recorded(record: TierRecord): void;
  /** A log has overrun a subscriber. */
  overran(): void;
}

interface Layout {
  readonly seed: bigint;
  /** As it is in the engine. */
  readonly bytes: Buffer;
  /** The first argument of every call. */
  readonly header: Buffer;
}

/** A call that was answered and may have changed something. */
interface Acknowledging {
  readonly link: NodeLink;
  /** In which its node was confirmed as a primary, when it answered. */
  readonly epoch: number;
  /** Of its shard. */
  readonly key: string;
  readonly settle: (isAcknowledged: boolean) => void;
}

export class ShardGroup {
  readonly mirror: Mirror;
  readonly barrier: Barrier;
  readonly #options: TierOptions;
  readonly #listener: GroupListener;
  readonly #cluster: Cluster;
  readonly #lines: readonly ShardLine[];
  readonly #shardOfStream: ReadonlyMap<string, number>;
  readonly #started = Promise.withResolvers<boolean>();
  #layout: Layout | undefined;
  readonly #counts = { answered: 0, refused: 0, lost: 0 };
  #epochs = 0;
  #unacknowledged = 0;
  #out = 0;
  #outBytes = 0;
  #isFlushDue = false;
  #isWakeDue = false;
  #announceTimer: Timer | undefined;
  #announceDueMs = 0;
  #countAtMs = 0;
  #acknowledging: Acknowledging[] = [];
  /** The last one of the engine. */
  #problem = "engine: it has not been reached yet";

  constructor(options: TierOptions, listener: GroupListener) {
    this.#options = options;
    this.#listener = listener;
    const { clock, rng, telemetry, boundary, logMaxEvents, logMaxBytes, operationMaxMs } = options;
    const { shards = TIER_SHARDS } = options;
    this.mirror = new Mirror(shards, { maxEvents: logMaxEvents, maxBytes: logMaxBytes }, () =>
      listener.overran(),
    );
    const lineDeps = {
      clock,
      rng,
      telemetry,
      counts: this.#counts,
      mirror: this.mirror,
      layout: () => this.#knownLayout().bytes,
      callHeader: () => this.#knownLayout().header,
      acknowledge: (link: NodeLink, key: string, settle: (isAcknowledged: boolean) => void) =>
        this.#acknowledge(link, key, settle),
      refresh: () => this.#cluster.refresh(),
      lost: (link: NodeLink) => {
        for (const line of this.#lines) line.check(link);
      },
      recorded: (_shard: number, record: TierRecord) => this.#recorded(record),
      changed: () => this.#announceSoon(),
    };
    this.#lines = Array.from(
      { length: shards },
      (_, shard) => new ShardLine(shard, shardKeys(shard), lineDeps),
    );
    this.#shardOfStream = new Map(this.#lines.map(({ shard, keys }) => [keys.stream, shard]));
    this.#cluster = new Cluster(
      {
        ...options,
        replyMaxMs: operationMaxMs,
        commandsMax: OPERATIONS_MAX,
        bytesMax: 2 * OPERATIONS_MAX_BYTES,
        fraction: () => rng.fraction(),
      },
      {
        changed: (topology, linkOf) => this.#attach(topology, linkOf),
        verified: (link) => this.#verified(link),
        suspected: (link) => this.#hold(link),
        closed: (link, cause) => {
          if (link.wasVerified) {
            telemetry.logger.warn(
              { err: cause, node: link.node.id },
              "the link to a node of the engine has ended",
            );
          }
          this.#failed(cause);
          this.#hold(link);
        },
        message: (link, channel, payload) => this.#lineOf(channel)?.message(link, payload),
        // Not followed any more, whatever is known of the topology by now: it is followed again, or the node says where it is.
        unsubscribed: (link, channel) => this.#lineOf(channel)?.hold(link),
        failed: (cause) => this.#failed(cause),
      },
    );
    this.barrier = new Barrier({
      clock,
      boundary,
      lines: this.#lines,
      quorum: this.#cluster.quorum,
      operationMaxMs,
      flush: () => this.#flushSoon(),
      disagreed: () => this.#disagreed(),
    });
  }

  start(givenUp?: AbortSignal): Promise<boolean> {
    if (givenUp?.aborted) return Promise.resolve(false);
    const { boundary } = this.#options;
    givenUp?.addEventListener(
      "abort",
      boundary.guard(undefined, () => this.#started.resolve(false)),
      { once: true },
    );
    this.#cluster.refresh();
    return this.#started.promise;
  }

  close(): void {
    this.#announceTimer?.cancel();
    this.barrier.close();
    this.#cluster.close();
    for (const line of this.#lines) line.expire(Infinity);
    this.mirror.expire(Infinity);
  }

  /** What keeps it from serving. Undefined: nothing does. */
  problem(): string | undefined {
    const states = new Set(this.#lines.map(({ state }) => state));
    if (states.has("adrift")) return this.#problem;
    if (states.has("held")) return "tenure: a node is being verified";
    if (states.has("syncing")) return "feed: shards are being followed";
    return this.mirror.isAnnouncementDue ? "tenure: shards have begun again" : undefined;
  }

  observe(): EngineObservation {
    const shards = { ready: 0, syncing: 0, held: 0, adrift: 0 };
    for (const { state } of this.#lines) shards[state] += 1;
    return {
      shards,
      operationsOut: this.#out,
      calls: this.#counts,
      epochs: this.#epochs,
      unacknowledged: this.#unacknowledged,
    };
  }

  /** Of the hash that chooses the shard of a key. */
  get seed(): bigint {
    return this.#layout?.seed ?? 0n;
  }

  /** The epoch of a shard that an epoch of the store stands for, as the library takes it. */
  shardEpochOf(epoch: bigint, shard: number): bigint {
    if (epoch === 0n) return 0n;
    return this.mirror.shardEpochOf(epoch, shard) ?? OTHER_EPOCH;
  }

  run<Result>(
    shard: number,
    { bytes, keys, isRead, traceparent, entry }: NewOperation,
    read: (bytes: Buffer, context: ResultContext) => Result,
    settle: Settle<Result>,
  ): Pending {
    const line = this.#lines[shard];
    if (line === undefined) throw new RangeError("there is no such shard");
    if (this.#out >= OPERATIONS_MAX || this.#outBytes + bytes.length > OPERATIONS_MAX_BYTES) {
      throw limitExceeded("tier_operations", String(OPERATIONS_MAX));
    }
    if (this.#layout === undefined) throw unavailable("the engine has not been reached yet");
    this.#out += 1;
    this.#outBytes += bytes.length;
    const { clock, operationMaxMs } = this.#options;
    let isOut = true;
    const leave = (): void => {
      isOut = false;
      this.#out -= 1;
      this.#outBytes -= bytes.length;
    };
    const operation: ShardOperation = {
      bytes,
      keys,
      isRead,
      traceparent,
      entry,
      mustAsk: false,
      isCancelled: false,
      dueMs: clock.nowMs() + operationMaxMs,
      settle: (reply) => {
        leave();
        settle(reply instanceof Error ? reply : toResult(read, reply.result, { shard, nowMs: reply.nowMs }));
      },
    };
    line.add(operation);
    this.#flushSoon();
    return {
      cancel: () => {
        if (!isOut) return;
        operation.isCancelled = true;
        leave();
      },
    };
  }

  /** Fails what has waited for too long. */
  expire(nowMs: number): void {
    for (const line of this.#lines) line.expire(nowMs);
    this.mirror.expire(nowMs);
    if (nowMs < this.#countAtMs) return;
    this.#countAtMs = nowMs + COUNT_INTERVAL_MS;
    for (const line of this.#lines) line.count();
  }

  /** The nodes with the shards that each has now, by their lowest shards. Throws UNAVAILABLE when a shard has none. */
  nodes(): readonly ListedNode[] {
    const byLink = new Map<NodeLink, number[]>();
    for (const { shard, link } of this.#lines) {
      if (link === undefined) throw unavailable("no node of the engine serves the shard now");
      const shards = byLink.get(link);
      if (shards === undefined) byLink.set(link, [shard]);
      else shards.push(shard);
    }
    return [...byLink].map(([link, shards]) => ({ link, shards }));
  }

  entriesOf(shard: number): number {
    return this.#lines[shard]?.entries ?? 0;
  }

  #knownLayout(): Layout {
    if (this.#layout === undefined) throw unavailable("the layout of the tier is not known yet");
    return this.#layout;
  }

  #attach(topology: Topology, linkOf: (id: string) => NodeLink | undefined): void {
    for (const line of this.#lines) {
      const range = rangeOf(topology, slotOfShard(line.shard));
      const link = range && linkOf(range.primary.id);
      if (this.#layout === undefined) continue;
      line.attach(link?.isOpen ? link : undefined);
    }
    if (this.#layout === undefined) this.#learnLayout(topology, linkOf);
    else this.#countServers();
  }

  /** With each look at the topology. Where a node may not say it, the number stays as it was. */
  #countServers(): void {
    const line = this.#lines.find(({ link }) => link?.isOpen);
    line?.link?.connection.send(["PUBSUB", "SHARDNUMSUB", line.keys.stream], (reply) => {
      this.#cluster.quorum.servers = serversOf(reply) ?? this.#cluster.quorum.servers;
    });
  }

  #verified(link: NodeLink): void {
    if (this.#layout === undefined) {
      this.#cluster.refresh();
      return;
    }
    for (const line of this.#lines) if (line.link === link) line.attach(link);
  }

  #hold(link: NodeLink): void {
    for (const line of this.#lines) line.hold(link);
  }

  /** When every shard can be asked: the first server of a tier writes it, and all others find it. */
  #learnLayout(topology: Topology, linkOf: (id: string) => NodeLink | undefined): void {
    const links = this.#lines.map(({ shard }) => {
      const range = rangeOf(topology, slotOfShard(shard));
      return range && linkOf(range.primary.id);
    });
    const verified = links.filter((link): link is NodeLink => link?.isVerified === true);
    if (verified.length < links.length) return;
    this.#readLayout(verified).then(
      (layout) => {
        this.#layout ??= layout;
        this.#cluster.refresh();
      },
      (error: unknown) => {
        this.#failed(error);
        this.#cluster.retry();
      },
    );
  }

  /** `links`: of each shard. A node that has begun again has lost its copies. */
  async #readLayout(links: readonly NodeLink[]): Promise<Layout> {
    const [first] = this.#lines;
    if (first === undefined) throw new RangeError("a tier has shards");
    const copyOf = ({ shard, keys }: ShardLine) => ask(linkAt(links, shard).connection, ["GET", keys.layout]);
    const copies = await Promise.all(this.#lines.map(copyOf));
    const found =
      copies.find(Buffer.isBuffer) ?? (await this.#writeLayout(linkAt(links, 0), first.keys.layout));
    const layout = Buffer.isBuffer(found) ? readLayout(found) : undefined;
    if (!Buffer.isBuffer(found) || layout?.shards !== this.mirror.shardCount) {
      throw unavailable("the tier in this engine is of another version of meshcache");
    }
    return {
      seed: layout.seed,
      bytes: found,
      header: callHeader(layoutId(found), this.#options.logMaxEvents),
    };
  }

  /** Of servers that begin a tier at once the first one's stands. */
  async #writeLayout({ connection }: NodeLink, key: string): Promise<Reply> {
    const own = writeLayout({ shards: this.mirror.shardCount, seed: this.#options.rng.uint64() });
    await ask(connection, ["SET", key, own, "NX"]);
    return await ask(connection, ["GET", key]);
  }

  #lineOf(channel: string): ShardLine | undefined {
    const shard = this.#shardOfStream.get(channel);
    return shard === undefined ? undefined : this.#lines[shard];
  }

  #recorded(record: TierRecord): void {
    this.#listener.recorded(record);
    if (this.#isWakeDue) return;
    this.#isWakeDue = true;
    // After the pushes that have arrived together.
    queueMicrotask(
      this.#options.boundary.guard(undefined, () => {
        this.#isWakeDue = false;
        this.mirror.wake();
      }),
    );
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#options.defer(() => {
      this.#isFlushDue = false;
      for (const line of this.#lines) line.flush();
    });
  }

  /** With other shards that change now, and not before those that are being followed can be read. */
  #announceSoon(): void {
    const { clock } = this.#options;
    if (this.#announceTimer !== undefined || !this.mirror.isAnnouncementDue) {
      this.#tellStarted();
      return;
    }
    this.#announceDueMs = clock.nowMs() + ANNOUNCE_MAX_MS;
    this.#announceLater();
  }

  #announceLater(): void {
    const { clock, boundary } = this.#options;
    const announce = boundary.guard(undefined, () => this.#announce());
    this.#announceTimer = clock.schedule(ANNOUNCE_DELAY_MS, announce);
  }

  #announce(): void {
    const { clock } = this.#options;
    const isSyncing = this.#lines.some(({ state }) => state === "syncing" || state === "held");
    if (isSyncing && clock.nowMs() < this.#announceDueMs) {
      this.#announceLater();
      return;
    }
    this.#announceTimer = undefined;
    this.mirror.announce();
    this.#epochs += 1;
    this.#options.telemetry.logger.info(
      { epoch: this.mirror.epoch.toString(16) },
      "the tier has this epoch from now on",
    );
    this.#tellStarted();
  }

  #tellStarted(): void {
    if (this.problem() === undefined) this.#started.resolve(true);
  }

  /** All that were answered in one turn are acknowledged together. */
  #acknowledge(link: NodeLink, key: string, settle: (isAcknowledged: boolean) => void): void {
    this.#acknowledging.push({ link, epoch: link.epoch, key, settle });
    if (this.#acknowledging.length > 1) return;
    queueMicrotask(
      this.#options.boundary.guard(undefined, () => {
        const waiting = this.#acknowledging;
        this.#acknowledging = [];
        const owners = waiting.map(({ link: { node }, key: owned }) => ({ nodeId: node.id, key: owned }));
        this.#cluster.quorum.ask(owners, (epochs) => {
          const isPrimary = (one: Acknowledging) => epochs.get(one.link.node.id) === one.epoch;
          if (!waiting.every(isPrimary)) this.#disagreed();
          for (const one of waiting) {
            const isAcknowledged = isPrimary(one);
            if (!isAcknowledged) this.#unacknowledged += 1;
            one.settle(isAcknowledged);
          }
        });
      }),
    );
  }

  /** No majority names a node in its epoch: nothing is called until a majority has confirmed all of them. */
  #disagreed(): void {
    this.#cluster.refresh();
    for (const link of this.#cluster.links) link.verify();
  }

  #failed(cause: unknown): void {
    const reason = cause instanceof CacheError ? cause.message : "the engine cannot be used";
    const problem = `engine: ${reason}`;
    if (this.#problem !== problem) this.#options.telemetry.logger.warn({ err: cause }, reason);
    this.#problem = problem;
  }
}

function toResult<Result>(
  read: (bytes: Buffer, context: ResultContext) => Result,
  bytes: Buffer,
  context: ResultContext,
): Result | Error {
  try {
    return read(bytes, context);
  } catch (cause) {
    if (cause instanceof CacheError) return cause;
    return new CacheError("INTERNAL", "internal error", {}, { cause });
  }
}

function linkAt(links: readonly NodeLink[], shard: number): NodeLink {
  const link = links[shard];
  if (link === undefined) throw new RangeError("there is no such shard");
  return link;
}
