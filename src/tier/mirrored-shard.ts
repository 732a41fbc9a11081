/** One shard of the mirror: its event logs, and where it stands. */
import { CacheError } from "../common/errors.ts";
import { EventLog, type EventLogLimits, eventLogBytes } from "../store/events/event-log.ts";
import { clearPart } from "../store/shm/memory-part.ts";
import { alignedBytes, createBuffer, createCutter, type Region } from "../store/shm/region.ts";

/** What waits until subscribers can read up to a revision. */
export interface Held {
  readonly epoch: bigint;
  readonly revision: number;
  readonly dueMs: number;
  readonly run: (isReached: boolean) => void;
}

const FORMER_EPOCHS_MAX = 16;

/**
 * Shards with all their memory in one buffer. A buffer for each log would be 32 MiB of address space for each, and a process that
 * has asked for more of it than the machine has memory cannot start another one (`vm.overcommit_memory` 0). Throws LIMIT_EXCEEDED
 * when the system does not have the memory.
 */
export function createMirroredShards(shards: number, limits: EventLogLimits): MirroredShard[] {
  const logBytes = eventLogBytes(limits);
  const cut = createCutter(createLogBuffer(2 * shards, logBytes, limits));
  return Array.from(
    { length: shards },
    (_, shard) => new MirroredShard(shard, limits, cut(logBytes), cut(logBytes)),
  );
}

function createLogBuffer(logs: number, logBytes: number, { maxBytes }: EventLogLimits): SharedArrayBuffer {
  try {
    return createBuffer(logs * alignedBytes(logBytes));
  } catch (cause) {
    // V8 throws a RangeError when it cannot allocate a buffer.
    if (!(cause instanceof RangeError)) throw cause;
    const message = `the system does not have the memory for ${logs} event logs of ${maxBytes} bytes (logMaxBytes)`;
    throw new CacheError("LIMIT_EXCEEDED", message, { limit: "memory", bound: "the system's" }, { cause });
  }
}

export class MirroredShard {
  /** What subscribers read. */
  log: EventLog;
  /** Of an epoch that they do not know of: revisions may begin again. */
  nextLog: EventLog | undefined;
  /** 0n: not known yet. */
  epoch = 0n;
  announcedEpoch = 0n;
  revision = 0;
  /** What subscribers can read up to. */
  announcedRevision = 0;
  held: Held[] = [];
  /** The latest last. */
  readonly formerEpochs: bigint[] = [];
  readonly #shard: number;
  readonly #limits: EventLogLimits;
  /** Of `log`, and of the one that comes after it. */
  #region: Region;
  #nextRegion: Region;

  constructor(shard: number, limits: EventLogLimits, region: Region, nextRegion: Region) {
    this.#shard = shard;
    this.#limits = limits;
    this.#region = region;
    this.#nextRegion = nextRegion;
    this.log = this.#logIn(region);
  }

  enter(epoch: bigint, revision: number): void {
    if (this.epoch !== 0n) this.formerEpochs.push(this.epoch);
    if (this.formerEpochs.length > FORMER_EPOCHS_MAX) this.formerEpochs.shift();
    this.epoch = epoch;
    this.revision = revision;
    // Nobody reads it: of an epoch that was never announced, or from before the one that is read.
    for (const part of this.#logIn(this.#nextRegion).parts()) clearPart(part);
    this.nextLog = this.#logIn(this.#nextRegion);
    this.nextLog.lose(revision);
  }

  announce(): void {
    if (this.nextLog !== undefined) {
      this.log = this.nextLog;
      [this.#region, this.#nextRegion] = [this.#nextRegion, this.#region];
    }
    this.nextLog = undefined;
    this.announcedEpoch = this.epoch;
    this.announcedRevision = this.revision;
  }

  hasReached({ epoch, revision }: Pick<Held, "epoch" | "revision">): boolean {
    return epoch === this.announcedEpoch && revision <= this.announcedRevision;
  }

  isOver({ epoch }: Pick<Held, "epoch">): boolean {
    return this.formerEpochs.includes(epoch);
  }

  isBehind({ epoch, revision }: Pick<Held, "epoch" | "revision">): boolean {
    return epoch === this.epoch ? revision > this.revision : !this.isOver({ epoch });
  }

  #logIn(region: Region): EventLog {
    return new EventLog(region, this.#shard, this.#limits);
  }
}
