/**
 * The connection to one primary of the engine: opens it, loads the library, and has the node verified before anything runs there.
 *
 * A node that did not run for a while may have been replaced meanwhile without knowing it, and so refuses every call until a server
 * has asked a majority of the primaries.
 */
import type { Boundary } from "../common/boundary.ts";
import type { Clock, Timer } from "../common/clock.ts";
import { CacheError } from "../common/errors.ts";
import { ask, isEngineError } from "./engine/ask.ts";
import { type ConnectionListener, EngineConnection, unavailable } from "./engine/connection.ts";
import type { Reply } from "./engine/resp3.ts";
import type { EngineSecurity, openSocket } from "./engine/socket.ts";
import { type NodeName, toFields } from "./engine/topology.ts";
import { LIBRARY_VERSION, readLibrary } from "./library/source.ts";
import type { TierOptions } from "./options.ts";

const BEAT_INTERVAL_MS = 100;
/** The longest time without a call after which a node is not suspect. */
const PAUSE_MAX_MS = 500;
const CONFIRM_RETRY_MS = 50;

export interface LinkDeps {
  readonly clock: Clock;
  readonly boundary: Boundary;
  readonly telemetry: TierOptions["telemetry"];
  readonly security: EngineSecurity;
  readonly replyMaxMs: number;
  readonly commandsMax: number;
  readonly bytesMax: number;
  readonly connect?: typeof openSocket;
  /** Asks a majority whether the node is a primary. Resolves with the epoch of the cluster, or undefined. */
  confirm(link: NodeLink): Promise<number | undefined>;
}

export interface LinkListener extends Pick<ConnectionListener, "message" | "unsubscribed"> {
  /** Calls may run from now on: after the connection, and after each time that it was suspect. */
  verified(): void;
  /** Nothing may be called until `verified`. */
  suspected(): void;
  closed(cause: Error): void;
}

export class NodeLink {
  readonly node: NodeName;
  readonly connection: EngineConnection;
  /** Of the cluster, when a majority has last confirmed that the node is a primary. */
  epoch = 0;
  readonly #deps: LinkDeps;
  readonly #listener: LinkListener;
  /** Of the library, by the clock of the node. Undefined: it may have been still since, or before. */
  #beatMs: number | undefined;
  #askers: TakeTime[] = [];
  #isVerified = false;
  #isVerifying = false;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(node: NodeName, deps: LinkDeps, listener: LinkListener) {
    this.node = node;
    this.#deps = deps;
    this.#listener = listener;
    this.connection = new EngineConnection(
      { ...deps, endpoint: node.endpoint },
      {
        message: (channel, payload) => listener.message(channel, payload),
        unsubscribed: (channel) => listener.unsubscribed(channel),
        closed: (cause) => this.#ended(cause),
      },
    );
    this.verify();
    this.#beatLater();
  }

  get isVerified(): boolean {
    return this.#isVerified;
  }

  /** Calls could run some time. */
  get wasVerified(): boolean {
    return this.epoch > 0;
  }

  get isOpen(): boolean {
    return !this.#isClosed;
  }

  /** The node may not be the primary any more, or has been still. Calls `verified` when it is known to be. */
  verify(): void {
    if (this.#isClosed || this.#isVerifying) return;
    this.#isVerifying = true;
    this.#beatMs = undefined;
    if (this.#isVerified) {
      this.#isVerified = false;
      this.#listener.suspected();
    }
    this.#verified().then(
      (epoch) => {
        this.#isVerifying = false;
        if (this.#isClosed) return;
        this.epoch = epoch;
        this.#isVerified = true;
        this.#deps.boundary.guard(this, () => this.#listener.verified())();
      },
      (error: unknown) => {
        this.#isVerifying = false;
        this.connection.close(unverified(error));
      },
    );
  }

  destroy(): void {
    this.connection.close();
  }

  async #verified(): Promise<number> {
    await this.#checkEviction();
    await this.#loadLibrary();
    for (;;) {
      const { pause } = await this.#status();
      const epoch = await this.#deps.confirm(this);
      if (epoch !== undefined) {
        const verified = toStatus(
          await ask(this.connection, ["FCALL", "mc_verify", "0", String(pause), String(PAUSE_MAX_MS)]),
        );
        if (!verified.isSuspect) {
          this.#beatMs = verified.nowMs;
          return epoch;
        }
      }
      await this.#pause();
    }
  }

  /** Whatever may lose a head or a fence under pressure would begin its shards again and again. */
  async #checkEviction(): Promise<void> {
    const info = await ask(this.connection, ["INFO", "memory"]);
    const policy = toFields(String(info)).get("maxmemory_policy") ?? "";
    if (!policy.startsWith("allkeys")) return;
    throw unavailable(
      `the engine evicts by ${policy}: set maxmemory-policy to volatile-lru, volatile-lfu or noeviction`,
    );
  }

  /** Loads it where there is none, or an older one. */
  async #loadLibrary(): Promise<void> {
    const version = await this.#status().then(
      (status) => status.version,
      (error: unknown) => {
        if (isEngineError(error, "ERR")) return 0;
        throw error;
      },
    );
    if (version >= LIBRARY_VERSION) return;
    await ask(this.connection, ["FUNCTION", "LOAD", "REPLACE", readLibrary()]);
    this.#deps.telemetry.logger.info(
      { node: this.node.id, version: LIBRARY_VERSION },
      "the function library is loaded",
    );
  }

  async #status(): Promise<NodeStatus> {
    return toStatus(await ask(this.connection, ["FCALL", "mc_beat", "0"]));
  }

  #pause(): Promise<void> {
    const { clock, boundary } = this.#deps;
    return new Promise((resolve, reject) => {
      if (this.#isClosed) reject(unavailable("the connection to the engine was closed"));
      else clock.schedule(CONFIRM_RETRY_MS, boundary.guard(undefined, resolve));
    });
  }

  /**
   * Asks the node for its time, once for all of a turn, behind all that was sent in it. Where that is no later than the library's limit
   * after its last beat, the library would have found no pause either. Undefined: the node may have been still, or gave no answer.
   */
  timeAfter(take: TakeTime): void {
    this.#askers.push(take);
    if (this.#askers.length > 1) return;
    this.connection.sendLast(() => {
      const askers = this.#askers;
      this.#askers = [];
      this.connection.send(["TIME"], (reply) => {
        const nowMs = this.#withoutPause(reply instanceof Error ? undefined : toMs(reply));
        for (const asker of askers) asker(nowMs);
      });
    });
  }

  #withoutPause(nowMs: number | undefined): number | undefined {
    if (nowMs === undefined || this.#beatMs === undefined) return undefined;
    const sinceMs = nowMs - this.#beatMs;
    return sinceMs >= 0 && sinceMs <= PAUSE_MAX_MS ? nowMs : undefined;
  }

  #beatLater(): void {
    const { clock, boundary } = this.#deps;
    const beat = boundary.guard(this, () => this.#beat());
    this.#timer = clock.schedule(BEAT_INTERVAL_MS, beat);
  }

  #beat(): void {
    if (this.#isClosed) return;
    this.#beatLater();
    if (!this.#isVerified) return;
    this.connection.send(["FCALL", "mc_beat", "0"], (reply) => {
      const status = reply instanceof Error ? undefined : toStatus(reply);
      if (status === undefined || status.isSuspect) this.verify();
      else if (this.#isVerified) this.#beatMs = status.nowMs;
    });
  }

  #ended(cause: Error): void {
    this.#isClosed = true;
    this.#isVerified = false;
    this.#timer?.cancel();
    this.#listener.closed(cause);
  }
}

function unverified(error: unknown): CacheError {
  return error instanceof CacheError ? error : unavailable("the engine cannot be verified", error);
}

/** Of the node. */
export type TakeTime = (nowMs: number | undefined) => void;

interface NodeStatus {
  readonly version: number;
  /** Of the node. */
  readonly nowMs: number;
  readonly pause: number | bigint;
  readonly isSuspect: boolean;
}

function toStatus(reply: Reply): NodeStatus {
  if (!Array.isArray(reply)) throw new Error("the library gave no status");
  const [version, nowMs, pause, suspect] = reply as readonly Reply[];
  if (
    typeof version !== "number" ||
    typeof nowMs !== "number" ||
    (typeof pause !== "number" && typeof pause !== "bigint")
  ) {
    throw new Error("the library gave no status");
  }
  return { version, nowMs, pause, isSuspect: suspect === 1 };
}

/** The answer to TIME: seconds and microseconds. Undefined: it is none. */
function toMs(reply: Reply): number | undefined {
  if (!Array.isArray(reply)) return undefined;
  const [seconds, micros] = reply as readonly Reply[];
  const nowMs = Number(String(seconds)) * 1_000 + Math.floor(Number(String(micros)) / 1_000);
  return Number.isSafeInteger(nowMs) ? nowMs : undefined;
}
