/** What `import "meshcache"` gives: the client. */

export { bytes, type Codec, json, protobuf, text, type ValueOf } from "./client/codecs.ts";
export type { ReadOptions } from "./client/entry-reader.ts";
export type { InvalidateOptions, SetOptions, Target, TouchOptions } from "./client/entry-writer.ts";
export type {
  CacheEvent,
  ChangeKind,
  EventSubscription,
  GapCause,
  SubscribeOptions,
} from "./client/event-subscription.ts";
export {
  absent,
  type LoadContext,
  type Loaded,
  type LoadedOptions,
  type Loader,
  loaded,
} from "./client/loaded.ts";
export type { LoadOptions } from "./client/loader.ts";
export { type CloseOptions, MeshCache } from "./client/mesh-cache.ts";
export type { EntryOptions, Namespace } from "./client/namespace.ts";
export type {
  ClientOptions,
  NamespaceOptions,
  NearCacheOptions,
  Preset,
  TelemetryOptions,
  ValueSharing,
} from "./client/options.ts";
export type {
  Entry,
  EntryFacts,
  EntrySource,
  EntryVersion,
  InvalidateOutcome,
  Outcome,
  RefusalReason,
  SetOutcome,
} from "./client/outcomes.ts";
export type { CallOptions } from "./client/remote.ts";
export type { ClientStats } from "./client/stats.ts";
export { CacheError, type CacheErrorReason } from "./errors.ts";
