/**
 * Asks the primaries of the cluster for its epoch, and which of them has a key, many askers at once. As long as a majority has seen no
 * other epoch and names the same node, no server has had another node confirmed in its place.
 *
 * The epoch alone would not say so: who votes in an election knows its epoch at once, and learns only later which node has won.
 */
import type { Boundary } from "../common/boundary.ts";
import type { Clock, Timer } from "../common/clock.ts";
import type { EngineConnection } from "./engine/connection.ts";
import type { Reply } from "./engine/resp3.ts";
import { toClusterInfo } from "./engine/topology.ts";

/** Rounds begin at most so often: 1,000 a second. A round is some short commands for each primary. */
const INTERVAL_MIN_MS = 1;
/** Rounds of all servers of the tier together: less than a tenth of a core of each primary that is busy. */
const ROUNDS_MAX_PER_SECOND = 10_000;
/** However many servers there seem to be, no acknowledgement waits longer for its round. */
const INTERVAL_MAX_MS = 50;

/** With more primaries, of which each may be asked about, rounds cost more and are as much rarer. */
const OWNERS_OF_A_ROUND = 10;

/** A node, and a key of a shard that it is said to have. */
export interface Owner {
  readonly nodeId: string;
  readonly key: string;
}

/** The epochs in which a majority named the nodes as owners, by their ids. None: there is no majority that agrees. */
export type TakeEpochs = (epochs: ReadonlyMap<string, number>) => void;

export interface Voter extends Pick<EngineConnection, "send"> {
  /** Which node has a key, by its answer to GET. Undefined: it does not say. */
  ownerIn(reply: Reply | Error): string | undefined;
}

interface Asker {
  readonly owners: readonly Owner[];
  readonly take: TakeEpochs;
}

/** All primaries of the cluster. Undefined in the place of one that cannot be asked. */
export type Voters = () => readonly (Voter | undefined)[];

export class Quorum {
  /** Of the tier, as far as is known: each has its part of the rounds. Only how often they begin depends on it. */
  servers = 1;
  readonly #voters: Voters;
  readonly #clock: Clock;
  readonly #boundary: Boundary;
  #askers: Asker[] = [];
  #isAsking = false;
  #timer: Timer | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(voters: Voters, clock: Clock, boundary: Boundary) {
    this.#voters = voters;
    this.#clock = clock;
    this.#boundary = boundary;
  }

  /** What it is told was asked for after this call. */
  ask(owners: readonly Owner[], take: TakeEpochs): void {
    this.#askers.push({ owners, take });
    this.#begin();
  }

  close(): void {
    this.#timer?.cancel();
    const askers = this.#askers;
    this.#askers = [];
    for (const { take } of askers) take(new Map());
  }

  #intervalMs(voters: number): number {
    const rounds = this.servers * Math.ceil(voters / OWNERS_OF_A_ROUND);
    const partMs = Math.ceil((rounds * 1_000) / ROUNDS_MAX_PER_SECOND);
    return Math.min(INTERVAL_MAX_MS, Math.max(INTERVAL_MIN_MS, partMs));
  }

  #begin(): void {
    if (this.#isAsking || this.#askers.length === 0 || this.#timer !== undefined) return;
    const voters = this.#voters();
    const waitMs = this.#lastMs + this.#intervalMs(voters.length) - this.#clock.nowMs();
    if (waitMs > 0) {
      const begin = this.#boundary.guard(undefined, () => {
        this.#timer = undefined;
        this.#begin();
      });
      this.#timer = this.#clock.schedule(waitMs, begin);
      return;
    }
    this.#lastMs = this.#clock.nowMs();
    this.#isAsking = true;
    const askers = this.#askers;
    this.#askers = [];
    const keys = new Map(askers.flatMap(({ owners }) => owners.map(({ nodeId, key }) => [nodeId, key])));
    askMajority(voters, keys, (epochs) => {
      this.#isAsking = false;
      for (const { take } of askers) take(epochs);
      this.#begin();
    });
  }
}

/** Of the reply to PUBSUB SHARDNUMSUB for the feed of one shard, which every server follows. Undefined: it does not say. */
export function serversOf(reply: unknown): number | undefined {
  const count: unknown = Array.isArray(reply) ? reply[1] : undefined;
  return typeof count === "number" && count >= 1 ? count : undefined;
}

/** Calls `take` once, as soon as a majority agrees about each node, or cannot any more. `keys`: one of each node, by its id. */
function askMajority(
  voters: readonly (Voter | undefined)[],
  keys: ReadonlyMap<string, string>,
  take: TakeEpochs,
): void {
  const epochs = new Map<string, number>();
  let undecided = keys.size;
  if (undecided === 0) take(epochs);
  const ballots = [...keys].map(([nodeId, key]) => {
    const ballot = new Ballot(voters.length, (epoch) => {
      if (epoch !== undefined) epochs.set(nodeId, epoch);
      undecided -= 1;
      if (undecided === 0) take(epochs);
    });
    return { nodeId, key, ballot };
  });
  for (const voter of voters) {
    if (voter === undefined) {
      for (const { ballot } of ballots) ballot.count(undefined);
      continue;
    }
    const named = new Set<string>();
    // Before the epoch: an owner is of this epoch, or of one before.
    for (const { nodeId, key } of ballots) {
      voter.send(["GET", key], (reply) => {
        if (voter.ownerIn(reply) === nodeId) named.add(nodeId);
      });
    }
    voter.send(["CLUSTER", "INFO"], (reply) => {
      const info = reply instanceof Error ? undefined : toClusterInfo(reply);
      for (const { nodeId, ballot } of ballots) {
        ballot.count(info?.isOk && named.has(nodeId) ? info.epoch : undefined);
      }
    });
  }
}

/** The votes about one node. `decided`: called once. */
class Ballot {
  readonly #needed: number;
  readonly #decided: (epoch: number | undefined) => void;
  readonly #votes = new Map<number, number>();
  #most = 0;
  #left: number;
  #isDecided = false;

  constructor(voters: number, decided: (epoch: number | undefined) => void) {
    this.#needed = Math.floor(voters / 2) + 1;
    this.#left = voters;
    this.#decided = decided;
    if (voters === 0) this.#decide(undefined);
  }

  count(epoch: number | undefined): void {
    if (this.#isDecided) return;
    this.#left -= 1;
    const agreeing = epoch === undefined ? 0 : (this.#votes.get(epoch) ?? 0) + 1;
    if (epoch !== undefined) this.#votes.set(epoch, agreeing);
    this.#most = Math.max(this.#most, agreeing);
    if (agreeing >= this.#needed) this.#decide(epoch);
    else if (this.#most + this.#left < this.#needed) this.#decide(undefined);
  }

  #decide(epoch: number | undefined): void {
    this.#isDecided = true;
    this.#decided(epoch);
  }
}
