/** `import "meshcache"`: the client. */

export type {
  ClientEvent,
  ClientEventCounts,
  ClientEventFacts,
  ClientEventKind,
  ClientEventLevel,
  GapCause,
  OverflowKind,
  UnkeptReason,
} from "./client/api/client-events.ts";
export {
  bytes,
  type Codec,
  type JsonOptions,
  json,
  protobuf,
  text,
  type ValueOf,
} from "./client/api/codecs.ts";
export { type CompressedOptions, compressed } from "./client/api/compressed.ts";
export type { Duration } from "./client/api/duration.ts";
export {
  absent,
  type LoadContext,
  type Loaded,
  type LoadedMany,
  type LoadedOptions,
  type LoadedValue,
  type Loader,
  type LoaderResult,
  loaded,
  type ManyLoader,
} from "./client/api/load-result.ts";
export type { NamespaceOptions } from "./client/api/namespace-options.ts";
export type { NearCacheOptions, ValueSharing } from "./client/api/near-cache-options.ts";
export type { ClientOptions, Preset, TelemetryOptions } from "./client/api/options.ts";
export { QueuedInvalidationError } from "./client/api/queued-invalidation-error.ts";
export type {
  Entry,
  EntryFacts,
  EntrySource,
  EntryVersion,
  IncrementOutcome,
  IncrementRefusalReason,
  InvalidateOutcome,
  KeyFacts,
  Outcome,
  RefusalReason,
  SetOutcome,
} from "./client/api/results.ts";
export type { ConnectionCounters, ConnectionState } from "./client/connection/connection.ts";
export { type CloseOptions, type CloseOutcome, MeshCache } from "./client/mesh-cache.ts";
export type { EntryOptions, Namespace } from "./client/namespace.ts";
export type { ProbeCounters } from "./client/near-cache/coherence-probe.ts";
export type { NearCounters } from "./client/near-cache/near-cache.ts";
export type {
  CacheEvent,
  ChangeKind,
  EventSubscription,
  SubscribeOptions,
} from "./client/operations/event-subscription.ts";
export type { Target } from "./client/operations/invalidate-target.ts";
export type {
  InvalidationCounters,
  UnacknowledgedInvalidation,
} from "./client/operations/invalidation-queue.ts";
export type { KeysOptions } from "./client/operations/key-listing.ts";
export type { LoadOptions } from "./client/operations/load-options.ts";
export type { LoadCounters } from "./client/operations/namespace-context.ts";
export type { ReadOptions } from "./client/operations/reader.ts";
export type { CallOptions } from "./client/operations/runner.ts";
export type { CompressionCounters } from "./client/operations/value-packing.ts";
export type {
  IncrementOptions,
  InvalidateOptions,
  SetOptions,
  TouchOptions,
} from "./client/operations/write-options.ts";
export type { ClientStats, ConnectionStats, InvalidationStats, NearStats } from "./client/stats.ts";
export type { GrpcCredentials } from "./client/transport/grpc-credentials.ts";
export type { TokenSource } from "./client/transport/token.ts";
export { CacheError, type CacheErrorReason } from "./common/errors.ts";
export type { ConnectionProblem } from "./rpc/connection-problem.ts";
export type { ClientTlsOptions } from "./security/tls/client-tls.ts";
