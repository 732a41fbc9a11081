/** What one principal of the policy may use and uses, as one thread counts it for all of them. */
import type { Clock } from "../../common/clock.ts";
import { type CacheError, quotaSpent } from "../../common/errors.ts";
import type { HeldMemory, Meter, OpenKind } from "../access/meter.ts";
import type { MeterLimits } from "./meter-limits.ts";
import type { PrincipalRecord } from "./principal-table.ts";
import { SharedBytes } from "./shared-bytes.ts";
import { type RateLimits, SharedRate } from "./shared-rate.ts";

/** By the names that errors give to what is spent. */
export const LIMIT_NAMES = {
  operationsPerSecond: "operations_per_second",
  bytesPerSecond: "bytes_per_second",
  connectionsMax: "principal_connections",
  streamsMax: "principal_streams",
  heldMaxBytes: "principal_held_bytes",
} as const;

type Limited = keyof typeof LIMIT_NAMES;
export type SpentLimit = (typeof LIMIT_NAMES)[Limited];

/** Called for each refusal, with what is spent. */
export type Refused = (limit: SpentLimit) => void;

const LIMIT_OF = { connections: "connectionsMax", streams: "streamsMax" } as const satisfies Record<
  OpenKind,
  Limited
>;
/** Sets by leases that there are not, in each thread: some leases end while their values are loaded. At least so many. */
const VAIN_FILLS: RateLimits = { perSecond: 10, burst: 100 };
/** And of the operations that the principal may make. */
const VAIN_FILLS_PART = 0.1;
/** When to ask again for what is free when somebody else has closed something: nobody knows. */
const CLOSED_LATER_MS = 1_000;

export class PrincipalMeter implements Meter {
  readonly held: HeldMemory;
  readonly #record: PrincipalRecord;
  readonly #refused: Refused;
  readonly #clock: Clock;
  #limits: MeterLimits;
  readonly #vainFills: SharedRate;
  #operations: SharedRate | undefined;
  #bytes: SharedRate | undefined;

  constructor(record: PrincipalRecord, limits: MeterLimits, refused: Refused, clock: Clock) {
    this.#record = record;
    this.#refused = refused;
    this.#clock = clock;
    this.#limits = limits;
    this.#vainFills = new SharedRate(new BigInt64Array(1), VAIN_FILLS, clock);
    this.follow(limits);
    const held = new SharedBytes(record.held);
    const heldMaxBytes = () => this.#limits.heldMaxBytes ?? Number.POSITIVE_INFINITY;
    this.held = {
      get bytes() {
        return held.bytes;
      },
      get maxBytes() {
        return heldMaxBytes();
      },
      add: (bytes) => held.add(bytes),
      refuse: () => this.#refuse("heldMaxBytes", CLOSED_LATER_MS),
    };
  }

  /** From now on the limits are these. */
  follow(limits: MeterLimits): void {
    const { operationsPerSecond, operationsBurst, bytesPerSecond, bytesBurst } = limits;
    const { operationsDue, bytesDue } = this.#record;
    this.#limits = limits;
    const vainFills = VAIN_FILLS_PART * (operationsPerSecond ?? 0);
    this.#vainFills.follow({
      perSecond: Math.max(VAIN_FILLS.perSecond, vainFills),
      burst: Math.max(VAIN_FILLS.burst, vainFills),
    });
    this.#operations = this.#followed(this.#operations, operationsDue, operationsPerSecond, operationsBurst);
    this.#bytes = this.#followed(this.#bytes, bytesDue, bytesPerSecond, bytesBurst);
  }

  admit(): CacheError | undefined {
    const operationsMs = this.#operations?.waitMs() ?? 0;
    if (operationsMs > 0) return this.#refuse("operationsPerSecond", operationsMs);
    const bytesMs = this.#bytes?.waitMs() ?? 0;
    if (bytesMs > 0) return this.#refuse("bytesPerSecond", bytesMs);
    this.#operations?.spend(1);
    return undefined;
  }

  admitFill(): CacheError | undefined {
    return this.#vainFills.waitMs() > 0 ? this.admit() : undefined;
  }

  filledInVain(): void {
    this.#vainFills.count(1);
  }

  spend(bytes: number): void {
    this.#bytes?.spend(bytes);
  }

  count(bytes: number): void {
    this.#operations?.count(1);
    this.#bytes?.count(bytes);
  }

  /** It is counted without a limit too: there may be one when it is still open. */
  open(kind: OpenKind): CacheError | undefined {
    const limit = LIMIT_OF[kind];
    const max = this.#limits[limit] ?? Number.POSITIVE_INFINITY;
    const cell = this.#record.open[kind];
    let taken = Atomics.load(cell, 0);
    while (taken < max) {
      const found = Atomics.compareExchange(cell, 0, taken, taken + 1);
      if (found === taken) return undefined;
      taken = found;
    }
    return this.#refuse(limit, CLOSED_LATER_MS);
  }

  close(kind: OpenKind): void {
    Atomics.sub(this.#record.open[kind], 0, 1);
  }

  #followed(
    rate: SharedRate | undefined,
    due: BigInt64Array,
    perSecond: number | undefined,
    burst = perSecond,
  ): SharedRate | undefined {
    if (perSecond === undefined || burst === undefined) return undefined;
    const limits = { perSecond, burst };
    if (rate === undefined) return new SharedRate(due, limits, this.#clock);
    rate.follow(limits);
    return rate;
  }

  #refuse(limit: Limited, waitMs: number): CacheError {
    const name = LIMIT_NAMES[limit];
    this.#refused(name);
    return quotaSpent(name, this.#limits[limit] ?? 0, Math.max(1, Math.ceil(waitMs)));
  }
}
