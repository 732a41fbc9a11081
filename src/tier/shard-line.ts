/** One shard as this server uses it: follows its feed at the node that has it, and claims it where its life has ended. */
import type { Clock } from "../common/clock.ts";
import type { Rng } from "../common/random.ts";
import { isEngineError, subscribe } from "./engine/ask.ts";
import { FeedWatch } from "./feed-watch.ts";
import { type ShardKeys, slotOfShard } from "./library/keys.ts";
import { readRecords, type TierRecord } from "./library/records.ts";
import type { CallHead } from "./library/results.ts";
import { isElsewhere, isMissingLibrary } from "./library-call.ts";
import type { NodeLink } from "./node-link.ts";
import type { ShardOperation } from "./operation.ts";
import { type OperationDeps, ShardOperations } from "./shard-operations.ts";
import { readStream } from "./shard-stream.ts";
import { tenure } from "./tenure.ts";

/** The head, the stream and the layout. */
const KEYS_OF_A_SHARD = 3;

export interface LineDeps extends OperationDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  /** What is written beside each shard. */
  readonly layout: () => Buffer;
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
  readonly #operations: ShardOperations;
  readonly #watch: FeedWatch;
  /** Each attempt to follow the feed has another number. */
  #attempt = 0;
  #entries = 0;

  constructor(shard: number, keys: ShardKeys, deps: LineDeps) {
    this.shard = shard;
    this.keys = keys;
    this.#deps = deps;
    this.#watch = new FeedWatch(shard, deps.mirror);
    this.#operations = new ShardOperations(shard, keys, deps, {
      // A connection that ends fails its calls before the line is told of it.
      readyLink: () => (this.#state === "ready" && this.#link?.connection.isOpen ? this.#link : undefined),
      expect: (epoch, revision) => this.#watch.expect(epoch, revision, deps.clock.nowMs()),
      resync: (link) => this.#resync(link),
      left: (link) => {
        this.hold(link);
        deps.refresh();
      },
    });
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
    return this.#operations.queued;
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
    this.#operations.add(operation);
  }

  /** Sends what waits, if the shard can be called. */
  flush(): void {
    this.#operations.flush();
  }

  /** Fails what has waited for too long. */
  expire(nowMs: number): void {
    this.#operations.expire(nowMs);
    if (this.#link !== undefined && this.#watch.isStill(nowMs)) this.#resync(this.#link);
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
      if (!isElsewhere(error)) {
        this.#deps.telemetry.logger.warn({ err: error, shard: this.shard }, "a shard cannot be followed");
      }
      this.#deps.refresh();
    });
  }

  async #follow(link: NodeLink, isCurrent: () => boolean): Promise<void> {
    const { stream } = this.keys;
    const { mirror } = this.#deps;
    await subscribe(link.connection, stream);
    const head = await tenure(link, this.keys, this.#deps);
    // Where there is no memory for it the other shards have it.
    link.connection.send(["SET", this.keys.layout, this.#deps.layout(), "NX"], () => {});
    if (!isCurrent()) return;
    const isKnown = mirror.epochOf(this.shard) === head.epoch;
    const begin = isKnown ? `(${mirror.revisionOf(this.shard)}-1` : "-";
    await new Promise<void>((resolve, reject) => {
      readStream(link, this.keys, this.shard, begin, (page, last) => {
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
