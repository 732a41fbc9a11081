/**
 * Asks the primaries of the cluster for its epoch, many askers at once. As long as a majority of them has seen no other epoch, no
 * replica was elected in the place of a primary.
 */
import type { Boundary } from "../common/boundary.ts";
import type { Clock, Timer } from "../common/clock.ts";
import type { EngineConnection } from "./engine/connection.ts";
import { toClusterInfo } from "./engine/topology.ts";

/** Rounds begin at most so often: 1,000 a second. A round is one short command for each primary. */
const INTERVAL_MIN_MS = 1;
/** Rounds of all servers of the tier together: 6.6 % of a core of each primary. */
const ROUNDS_MAX_PER_SECOND = 10_000;
/** However many servers there seem to be, no acknowledgement waits longer for its round. */
const INTERVAL_MAX_MS = 50;

/** The epoch of a majority. Undefined: there is none that agrees. */
export type TakeEpoch = (epoch: number | undefined) => void;

type Voter = Pick<EngineConnection, "send">;

/** All primaries of the cluster. Undefined in the place of one that cannot be asked. */
export type Voters = () => readonly (Voter | undefined)[];

export class Quorum {
  /** Of the tier, as far as is known: each has its part of the rounds. Only how often they begin depends on it. */
  servers = 1;
  readonly #voters: Voters;
  readonly #clock: Clock;
  readonly #boundary: Boundary;
  #askers: TakeEpoch[] = [];
  #isAsking = false;
  #timer: Timer | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(voters: Voters, clock: Clock, boundary: Boundary) {
    this.#voters = voters;
    this.#clock = clock;
    this.#boundary = boundary;
  }

  /** What it is told was asked for after this call. */
  ask(take: TakeEpoch): void {
    this.#askers.push(take);
    this.#begin();
  }

  close(): void {
    this.#timer?.cancel();
    const askers = this.#askers;
    this.#askers = [];
    for (const take of askers) take(undefined);
  }

  get #intervalMs(): number {
    const partMs = Math.ceil((this.servers * 1_000) / ROUNDS_MAX_PER_SECOND);
    return Math.min(INTERVAL_MAX_MS, Math.max(INTERVAL_MIN_MS, partMs));
  }

  #begin(): void {
    if (this.#isAsking || this.#askers.length === 0 || this.#timer !== undefined) return;
    const waitMs = this.#lastMs + this.#intervalMs - this.#clock.nowMs();
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
    askMajority(this.#voters(), (epoch) => {
      this.#isAsking = false;
      for (const take of askers) take(epoch);
      this.#begin();
    });
  }
}

/** Of the reply to PUBSUB SHARDNUMSUB for the feed of one shard, which every server follows. Undefined: it does not say. */
export function serversOf(reply: unknown): number | undefined {
  const count: unknown = Array.isArray(reply) ? reply[1] : undefined;
  return typeof count === "number" && count >= 1 ? count : undefined;
}

/** Calls `take` once, as soon as a majority agrees, or cannot any more. */
function askMajority(voters: readonly (Voter | undefined)[], take: TakeEpoch): void {
  const needed = Math.floor(voters.length / 2) + 1;
  const votes = new Map<number, number>();
  let most = 0;
  let left = voters.length;
  let isDecided = false;
  const count = (epoch: number | undefined): void => {
    if (isDecided) return;
    left -= 1;
    const agreeing = epoch === undefined ? 0 : (votes.get(epoch) ?? 0) + 1;
    if (epoch !== undefined) votes.set(epoch, agreeing);
    most = Math.max(most, agreeing);
    if (agreeing < needed && left > 0 && most + left >= needed) return;
    isDecided = true;
    take(agreeing >= needed ? epoch : undefined);
  };
  if (voters.length === 0) take(undefined);
  for (const voter of voters) {
    if (voter === undefined) count(undefined);
    else {
      voter.send(["CLUSTER", "INFO"], (reply) => {
        const info = reply instanceof Error ? undefined : toClusterInfo(reply);
        count(info?.isOk ? info.epoch : undefined);
      });
    }
  }
}
