/**
 * The bus over which the processes of BentoCache tell each other what their first layers must forget. A message is an entry with a
 * short lifetime, and its SET is the news of it. When news may have been missed, each process clears its first layer.
 */
import { checkCacheOptions } from "../../client/api/cache-option.ts";
import { json } from "../../client/api/codecs.ts";
import { optionNames } from "../../client/api/option-names.ts";
import type { MeshCache } from "../../client/mesh-cache.ts";
import type { Namespace } from "../../client/namespace.ts";
import type { CacheEvent, EventSubscription } from "../../client/operations/event-subscription.ts";
import { CacheError } from "../../common/errors.ts";
import { ForeignKeys } from "../foreign-keys.ts";

export interface MeshcacheBusOptions {
  readonly cache: MeshCache;
  /** Where the messages are; default "bentocache-bus". */
  readonly namespace?: string;
  /** The `prefix` of the BentoCache: what is cleared after a gap; default "bentocache", as BentoCache's own. */
  readonly prefix?: string;
  /** BentoCache's own: messages that could not be published are published later. */
  readonly retryQueue?: {
    readonly enabled?: boolean;
    readonly maxSize?: number;
    readonly retryInterval?: number | false;
  };
}

/** What `useBus` takes. */
export interface MeshcacheBusResult {
  readonly options: Pick<MeshcacheBusOptions, "retryQueue">;
  readonly factory: () => MeshcacheBus;
}

const OPTIONS = optionNames<MeshcacheBusOptions>({
  cache: true,
  namespace: true,
  prefix: true,
  retryQueue: true,
});

/** For `bentostore().useBus(meshcacheBusDriver({ cache }))`. Throws FIELD_INVALID for what is no option. */
export function meshcacheBusDriver(options: MeshcacheBusOptions): MeshcacheBusResult {
  checkCacheOptions(options, OPTIONS);
  const { retryQueue } = options;
  return {
    options: retryQueue === undefined ? {} : { retryQueue },
    factory: () => new MeshcacheBus(options),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: BentoCache knows the type of its messages.
type Handler = (message: any) => void | Promise<void>;

/** For longer than any subscriber that has had no gap takes to read it. */
const MESSAGE_TTL_MS = 60_000;
/** Messages that are read at the same time. */
const READS_MAX = 256;

/** As the `Transport` of @boringnode/bus, which BentoCache uses. */
export class MeshcacheBus {
  readonly #messages: Namespace<unknown>;
  readonly #prefix: string;
  readonly #subscriptions = new Map<
    string,
    { readonly events: EventSubscription; readonly handlers: Handler[] }
  >();
  #id = "";
  #published = 0;

  /** Throws FIELD_INVALID for a namespace that is none. */
  constructor({ cache, namespace = "bentocache-bus", prefix = "bentocache" }: MeshcacheBusOptions) {
    // A message is read once by each process.
    this.#messages = cache.namespace(namespace, { codec: json(), nearCache: false });
    this.#prefix = prefix;
  }

  /** BentoCache names each of its buses. */
  setId(id: string): this {
    this.#id = id;
    return this;
  }

  /** A subscription resumes by itself, and has a gap when it cannot. */
  onReconnect(_reconnected: () => void): void {}

  async publish(channel: string, message: unknown): Promise<void> {
    this.#published += 1;
    const key = new ForeignKeys(channel).toKey(`${this.#id}:${this.#published}`);
    await this.#messages.set(key, message, { ttlMs: MESSAGE_TTL_MS });
  }

  /** Resolves when every later message is delivered. */
  async subscribe(channel: string, handler: Handler): Promise<void> {
    const known = this.#subscriptions.get(channel);
    known?.handlers.push(handler);
    const subscription = known ?? this.#open(channel, [handler]);
    await subscription.events.isLive;
  }

  async unsubscribe(channel: string): Promise<void> {
    this.#subscriptions.get(channel)?.events.close();
    this.#subscriptions.delete(channel);
  }

  /** Ends the subscriptions. The application closes its client. */
  async disconnect(): Promise<void> {
    for (const channel of [...this.#subscriptions.keys()]) await this.unsubscribe(channel);
  }

  #open(channel: string, handlers: Handler[]) {
    const { prefix } = new ForeignKeys(channel);
    const events = this.#messages.subscribe({ prefixes: [prefix] });
    const subscription = { events, handlers };
    this.#subscriptions.set(channel, subscription);
    this.#follow(subscription.events, handlers, `${prefix}${this.#id}:`).catch((error: unknown) => {
      // The client was closed before the bus.
      if (!(error instanceof CacheError)) throw error;
    });
    return subscription;
  }

  async #follow(events: EventSubscription, handlers: readonly Handler[], own: string): Promise<void> {
    const reads = new Set<Promise<void>>();
    for await (const event of events) {
      if (event.kind !== "gap" && (event.kind !== "set" || event.name.startsWith(own))) continue;
      // BentoCache forgets, whatever the order is in which it is told to.
      const read = this.#deliver(event, handlers).finally(() => reads.delete(read));
      reads.add(read);
      if (reads.size >= READS_MAX) await Promise.race(reads);
    }
  }

  async #deliver(event: CacheEvent, handlers: readonly Handler[]): Promise<void> {
    const message = event.kind === "gap" ? undefined : await this.#read(event.name);
    for (const handler of handlers)
      await handler(message ?? { type: "clear", keys: [], namespace: this.#prefix });
  }

  /** Undefined: it cannot be read any more, or it is none of BentoCache. Either way something is missed. */
  async #read(key: string): Promise<unknown> {
    try {
      const outcome = await this.#messages.get(key);
      return outcome.kind === "hit" && isMessage(outcome.value) ? outcome.value : undefined;
    } catch (error) {
      if (error instanceof CacheError) return undefined;
      throw error;
    }
  }
}

/** Whoever may write in the namespace may have written it, and BentoCache takes what it is given. */
function isMessage(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { type, keys, namespace = "" } = value as Readonly<Record<string, unknown>>;
  const areKeys = Array.isArray(keys) && keys.every((key) => typeof key === "string");
  return typeof type === "string" && areKeys && typeof namespace === "string";
}
