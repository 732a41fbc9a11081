/**
 * Finds out when only one store remains behind an address: opens streams that only say which store answers, each over a
 * connection of its own, and ends them at once. So many answers in a row that name one store are taken as proof: two that
 * answer equally often name one of them so often in 1 of 128 cases, and then meeting the other one shows it again.
 */
import { NO_BYTES } from "../../common/bytes.ts";
import type { Timer } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import { ASSUMED_LIMITS } from "../api/server-limits.ts";
import { ExchangeStream, type StreamDeps, type StreamHandlers } from "./exchange-stream.ts";
import { unavailable } from "./failures.ts";

/** In a row. */
export const AGREEING_ANSWERS = 8;

export interface StoreProbeOptions {
  /** How long a server may take to answer. */
  readonly connectTimeoutMs: number;
  /** The longest wait before the next question. */
  readonly backoffMaxMs: number;
}

interface Asked {
  epoch: bigint;
  agreeing: number;
}

export class StoreProbe {
  readonly #options: StoreProbeOptions;
  readonly #deps: StreamDeps & { readonly rng: Rng };
  readonly #oneRemains: (address: string, epoch: bigint) => void;
  /** By address. */
  readonly #asked = new Map<string, Asked>();
  readonly #streams = new Set<ExchangeStream>();
  readonly #timers = new Map<string, Timer>();

  /** `oneRemains` is told of the store that alone answers at an address. It is not asked there any more. */
  constructor(
    options: StoreProbeOptions,
    deps: StreamDeps & { readonly rng: Rng },
    oneRemains: (address: string, epoch: bigint) => void,
  ) {
    this.#options = options;
    this.#deps = deps;
    this.#oneRemains = oneRemains;
  }

  /** Asks at this address from now on. */
  start(address: string): void {
    if (this.#asked.has(address)) return;
    this.#asked.set(address, { epoch: 0n, agreeing: 0 });
    this.#schedule(address);
  }

  /** Some address is being asked. */
  get isAsking(): boolean {
    return this.#asked.size > 0;
  }

  stop(): void {
    this.#asked.clear();
    for (const timer of this.#timers.values()) timer.cancel();
    for (const stream of [...this.#streams]) stream.cut(unavailable("the client is closed"));
  }

  /** At a random time: many clients find out at once that there are two stores. */
  #schedule(address: string): void {
    const { clock, rng } = this.#deps;
    const delayMs = Math.ceil(rng.fraction() * this.#options.backoffMaxMs);
    this.#timers.set(
      address,
      clock.schedule(delayMs, () => this.#ask(address)),
    );
  }

  #ask(address: string): void {
    const nothing = (): void => undefined;
    const handlers: StreamHandlers = {
      opened: (stream) => {
        this.#answered(address, stream.epoch);
        stream.cut(unavailable("the store has said its epoch"));
      },
      closed: (stream) => {
        timeout?.cancel();
        this.#streams.delete(stream);
        if (this.#asked.has(address)) this.#schedule(address);
      },
      subscribeAgain: nothing,
      events: nothing,
      gap: nothing,
      progress: nothing,
      draining: nothing,
      goesAway: nothing,
      released: nothing,
      drained: nothing,
    };
    let timeout: Timer | undefined;
    try {
      const stream = new ExchangeStream(address, NO_BYTES, 0n, ASSUMED_LIMITS, this.#deps, handlers);
      this.#streams.add(stream);
      timeout = this.#deps.clock.schedule(this.#options.connectTimeoutMs, () => {
        stream.cut(unavailable("the server did not answer in time"));
      });
    } catch {
      this.#schedule(address);
    }
  }

  #answered(address: string, epoch: bigint): void {
    const asked = this.#asked.get(address);
    if (asked === undefined) return;
    if (asked.epoch !== epoch) {
      asked.epoch = epoch;
      asked.agreeing = 0;
    }
    asked.agreeing += 1;
    if (asked.agreeing < AGREEING_ANSWERS) return;
    this.#asked.delete(address);
    this.#oneRemains(address, epoch);
  }
}
