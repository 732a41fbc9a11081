/** What the parts of one namespace share: its name, its options and the client's machinery. */
import type { Clock } from "../clock.ts";
import type { Rng } from "../random.ts";
import type { Coherence } from "./coherence.ts";
import type { CopyReader } from "./copy.ts";
import type { Holders } from "./holders.ts";
import type { NearCache } from "./near-cache.ts";
import type { ResolvedNamespaceOptions } from "./options.ts";
import type { Remote } from "./remote.ts";
import type { ClientTelemetry } from "./telemetry.ts";

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
