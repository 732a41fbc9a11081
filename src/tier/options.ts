/** Where the engine of a tier is and how it is reached: defaults, ranges, and the form of its address. */
import type { Bound } from "../common/bound.ts";
import type { Boundary } from "../common/boundary.ts";
import type { Clock } from "../common/clock.ts";
import { type HostPort, parseServerAddress } from "../common/host-port.ts";
import type { Rng } from "../common/random.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { EngineSecurity, openSocket } from "./engine/socket.ts";

export interface TierOptions {
  /** Nodes of the cluster, at least one: it tells of the others. */
  readonly seeds: readonly HostPort[];
  readonly security: EngineSecurity;
  /** Default: over TCP, or TLS. */
  readonly connect?: typeof openSocket;
  /** The same for all servers of the tier, 1 to 64. Default: 64. */
  readonly shards?: number;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly telemetry: Pick<Telemetry, "logger" | "startEngineCall">;
  readonly boundary: Boundary;
  /** Runs a function in a later turn of the event loop. */
  readonly defer: (run: () => void) => void;
  /** Events that each shard keeps for subscribers that resume. */
  readonly logMaxEvents: number;
  readonly logMaxBytes: number;
  /** How long an operation waits for its node, and for its answer. */
  readonly operationMaxMs: number;
}

/** What `parseTierAddress` takes, in words for an error. */
export const TIER_ADDRESS_FORM =
  "valkey://HOST:PORT[,HOST:PORT…] or redis://HOST:PORT[,HOST:PORT…], port 1 to 65535";

export const TIER_BOUNDS = {
  operationMaxMs: { fallback: 2_000, min: 100, max: 60_000 },
} as const satisfies Record<string, Bound>;

/** The nodes of an address. Undefined for what is none. */
export function parseTierAddress(text: string): readonly HostPort[] | undefined {
  const nodes = /^(?:valkey|redis):\/\/(.+)$/.exec(text)?.[1];
  if (nodes === undefined) return undefined;
  const parsed = nodes.split(",").map(parseServerAddress);
  return parsed.every((node) => node !== undefined) ? parsed : undefined;
}
