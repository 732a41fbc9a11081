/** What the parts of one namespace share: its name, its options and the client's machinery. */
import type { Clock } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import type { ResolvedNamespaceOptions } from "../api/namespace-options.ts";
import type { Coherence } from "../coherence/coherence.ts";
import type { Holders } from "../coherence/invalidation-bus.ts";
import type { CopyReader } from "../near-cache/cached-entry.ts";
import type { NearCache } from "../near-cache/near-cache.ts";
import type { ClientTelemetry } from "../telemetry/telemetry.ts";
import type { Remote } from "./runner.ts";

export interface LoadCounters {
  /** Loaders that were run. */
  loads: number;
  /** Loads that threw, or took too long. */
  loadFailures: number;
  /** `getOrLoad` calls that shared a load of this process. */
  loadsShared: number;
  /** Values that were loaded and not stored, because something had changed or no server could be reached. */
  loadsUnkept: number;
  /** Stale values that were served while another was loaded. */
  staleServed: number;
}

export interface Realm<Value> {
  readonly namespace: string;
  readonly options: ResolvedNamespaceOptions<Value>;
  readonly near: NearCache<Value> | undefined;
  readonly copies: CopyReader<Value>;
  readonly coherence: Coherence;
  readonly holders: Holders;
  readonly remote: Remote;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly telemetry: ClientTelemetry;
  readonly loads: LoadCounters;
  /** Names a Set, so that the server can tell its retry from another. Never 0n. */
  nextRequestId(): bigint;
}
