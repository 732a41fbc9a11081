/** Creates the server as the settings say: in the main thread, or in worker threads. */
import { CacheError } from "../../common/errors.ts";
import {
  type CacheServer,
  createServer,
  createStore,
  type HttpPortOptions,
  type ServerFacts,
  type StoreOptions,
} from "../../server/index.ts";
import { createServerThreads, type WorkerCrash } from "../../server/workers/index.ts";
import { attachStore } from "../../store/engine/create-store.ts";
import { createTelemetry } from "../../telemetry/otel-telemetry.ts";
import type { Logger } from "../../telemetry/telemetry.ts";
import type { TierStore } from "../../tier/tier-store.ts";
import { CliError, EXIT } from "../output/exit-codes.ts";
import { plural } from "../output/text.ts";
import type { ResolvedSettings } from "../settings/conflicts.ts";
import { toQuantity } from "../settings/quantity.ts";
import { namespaceBounds, SETTING_NAMES, type Settings } from "../settings/settings.ts";
import { textOfSetting } from "../settings/table.ts";
import { observedToTheEnd } from "../telemetry/observed-to-the-end.ts";
import type { TelemetrySdk } from "../telemetry/telemetry-sdk.ts";
import type { ThreadMetrics } from "../telemetry/thread-metrics/collection.ts";
import { ProcessSnapshot } from "./process-snapshot.ts";
import { securityOptions } from "./security-options.ts";
import { threadEntry } from "./thread-entry.ts";
import type { ThreadServerExtra } from "./thread-server.ts";
import { openTier } from "./tier.ts";

export interface ConfiguredServer {
  readonly server: CacheServer;
  /** Resolves when a worker has ended unexpectedly, which ends the whole server. */
  readonly crashed: Promise<WorkerCrash>;
  /** Undefined: the store begins empty, and nothing of it is kept. */
  readonly snapshot: ProcessSnapshot | undefined;
  /** Undefined: this process keeps the entries. */
  readonly tier: TierStore | undefined;
}

export interface ServerTelemetry {
  readonly logger: Logger;
  readonly sdk: TelemetrySdk;
  /** Undefined for a server in the main thread. */
  readonly threads: ThreadMetrics | undefined;
}

/** Throws a CliError when the system cannot give the memory that the settings ask for. */
export async function createConfiguredServer(
  settings: ResolvedSettings,
  telemetry: ServerTelemetry,
): Promise<ConfiguredServer> {
  try {
    return await create(settings, telemetry);
  } catch (error) {
    if (error instanceof CacheError && error.reason === "LIMIT_EXCEEDED")
      throw noMemory(settings.values, error);
    if (error instanceof CacheError && error.reason === "FIELD_INVALID") {
      throw new CliError(EXIT.usage, "CONFIG", `${error.message}; nothing was started`, { cause: error });
    }
    throw error;
  }
}

/** All memory of the store is reserved at the start, so that this is known before the first call. */
function noMemory({ storeBudgetBytes, shards, logMaxBytes, tier }: Settings, cause: CacheError): CliError {
  const size = `${toQuantity(storeBudgetBytes, "bytes")} (storeBudgetBytes) on ${plural(shards, "shard")}`;
  const log = `${toQuantity(logMaxBytes, "bytes")} (logMaxBytes)`;
  const what =
    tier === ""
      ? `a store of ${size} with its fences and leases, and logs of ${log}`
      : `the event logs of a tier, two of ${log} for each of its shards`;
  const message = `the system does not give the memory for ${what}`;
  return new CliError(EXIT.usage, "CONFIG", message, { cause });
}

async function create(
  resolved: ResolvedSettings,
  { logger, sdk, threads }: ServerTelemetry,
): Promise<ConfiguredServer> {
  const settings = resolved.values;
  const options = {
    listen: settings.listen,
    limits: settings,
    transport: settings,
    acceleration: settings.acceleration,
    security: securityOptions(settings),
    telemetry: observedToTheEnd(createTelemetry({ ...sdk, logger })),
    facts: factsOf(resolved),
    ...(settings.http !== "off" && { http: httpOptions(settings) }),
  };
  if (settings.tier !== "") {
    const tier = openTier(settings, options.telemetry);
    return {
      server: createServer({ ...options, store: tier }),
      crashed: new Promise(() => {}),
      snapshot: undefined,
      tier,
    };
  }
  const snapshot = createSnapshot(settings, logger);
  if (threads === undefined) {
    const started = snapshot?.start(1);
    const store = started === undefined ? createStore(storeOptions(settings)) : attachStore(started.memory);
    const server = createServer({ ...options, store, snapshot: started?.outcome });
    return { server, crashed: new Promise(() => {}), snapshot, tier: undefined };
  }
  const resource = await sdk.resource();
  const server = createServerThreads({
    ...options,
    workers: settings.workers,
    store: storeOptions(settings),
    ...(snapshot && { startStore: (count: number) => snapshot.start(count) }),
    entry: threadEntry(),
    extraFor(thread) {
      const metrics = threads.connect(thread);
      const value: ThreadServerExtra = { logLevel: settings.logLevel, resource, metrics };
      return { value, transfer: [metrics] };
    },
  });
  return { server, crashed: server.crashed, snapshot, tier: undefined };
}

function createSnapshot(settings: Settings, logger: Logger): ProcessSnapshot | undefined {
  const { snapshot: path, snapshotMaxAgeMs: maxAgeMs } = settings;
  return path === ""
    ? undefined
    : new ProcessSnapshot({ path, maxAgeMs, store: storeOptions(settings), logger });
}

function httpOptions({ http, httpHosts, httpOrigins }: Settings): HttpPortOptions {
  return {
    listen: http,
    hosts: httpHosts,
    origins: httpOrigins === "" ? [] : httpOrigins.split(/, ?/),
  };
}

/** For operators, who see them by AdminService. */
function factsOf(settings: ResolvedSettings): ServerFacts {
  const {
    consoleTraceUrl: traceUrl,
    consolePrometheus: url,
    consolePrometheusLabels: labels,
  } = settings.values;
  return {
    settings: SETTING_NAMES.map((name) => ({
      name,
      value: textOfSetting(settings, name),
      source: settings.originOf(name),
    })),
    traceUrl,
    ...(url !== "" && { history: { url, labels } }),
  };
}

function storeOptions(settings: Settings): Partial<StoreOptions> {
  return {
    engine: settings.storeEngine,
    shards: settings.shards,
    budgetBytes: settings.storeBudgetBytes,
    logMaxEvents: settings.logMaxEvents,
    logMaxBytes: settings.logMaxBytes,
    namespacesMax: settings.namespacesMax,
    namespaces: namespaceBounds(settings),
    tagFencesMax: settings.tagFencesMax,
    prefixFencesMax: settings.prefixFencesMax,
    tombstonesMax: settings.tombstonesMax,
    leasesMax: settings.leasesMax,
    leasesOfHolderMax: settings.leasesOfHolderMax,
    leasesOfNamespaceMax: settings.leasesOfNamespaceMax,
    waitersMax: settings.leaseWaitersMax,
    requestIdsMax: settings.requestIdsMax,
  };
}
