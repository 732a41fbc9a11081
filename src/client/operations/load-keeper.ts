/** Stores what a loader returned. Its callers get the value whether it could be stored or not. */
import { NO_BYTES } from "../../common/bytes.ts";
import type { UnkeptReason } from "../api/client-events.ts";
import { type CheckedLoaded, checkLoaded, type LoadPlan } from "./load-options.ts";
import { type LoadedEntry, type LoadResult, type RanLoad, toResult } from "./loaded-entry.ts";
import type { NamespaceContext } from "./namespace-context.ts";
import { toUnkeptReason } from "./unkept-loads.ts";
import type { EntryWriter } from "./writer.ts";

/** What was loaded, and how. */
interface Load {
  readonly key: string;
  readonly plan: LoadPlan;
  /** What it asks the server for waits for room in the window. */
  readonly isOneOfMany: boolean;
}

export interface BegunLoad {
  readonly atMs: number;
  /** `Coherence.generation` then: events that were missed since may concern the load. */
  readonly generation: number;
}

type KeepCondition = { readonly leaseToken: bigint } | { readonly when: LoadedEntry<unknown>["version"] };

export class LoadKeeper<Value> {
  readonly #context: NamespaceContext<Value>;
  readonly #writer: EntryWriter<Value>;

  constructor(context: NamespaceContext<Value>, writer: EntryWriter<Value>) {
    this.#context = context;
    this.#writer = writer;
  }

  /** `release`: gives the lease back, where the Set has not ended it. */
  async keep(
    load: Load,
    ran: RanLoad<Value>,
    condition: KeepCondition,
    release?: () => void,
  ): Promise<LoadResult<Value>> {
    const { absent } = ran.loaded;
    let said: CheckedLoaded = {};
    const unkept = (reason: UnkeptReason, error?: unknown) => {
      if (reason !== "changed") release?.();
      this.#context.unkept.count(this.#context.namespace, reason, error);
      return toResult(ran, said);
    };
    try {
      if (ran.shape.refusal !== undefined) throw ran.shape.refusal;
      said = this.#said(load.plan, ran);
      if (said.ttlMs === 0) return unkept("asked");
      const ttlMs = this.#jittered(said.ttlMs, absent);
      const outcome = await this.#set(load, ran, said, ttlMs, condition);
      if (outcome.kind === "refused") return unkept("changed");
      const ttlRemainingMs = ttlMs || Number.POSITIVE_INFINITY;
      return toResult(ran, said, { version: outcome.version, ttlRemainingMs });
    } catch (error) {
      return unkept(toUnkeptReason(error), error);
    }
  }

  /** The result of a load that nothing is to be kept of. */
  unkept(plan: LoadPlan, ran: RanLoad<Value>): LoadResult<Value> {
    try {
      return toResult(ran, this.#said(plan, ran));
    } catch {
      // The loader's options are refused.
      return toResult(ran, {});
    }
  }

  #set(
    { key, isOneOfMany }: Load,
    { loaded, shape }: RanLoad<Value>,
    said: CheckedLoaded,
    ttlMs: number,
    condition: KeepCondition,
  ) {
    const staleMs = loaded.absent ? 0 : said.staleMs;
    return this.#writer.set(
      key,
      { encoded: shape.stored?.encoded ?? NO_BYTES, absent: shape.stored === undefined },
      {
        ttlMs,
        ...(staleMs === undefined ? {} : { staleMs: ttlMs === 0 ? 0 : staleMs }),
        ...(said.tags === undefined ? {} : { tags: said.tags }),
        ...(said.sourceVersion === undefined ? {} : { sourceVersion: said.sourceVersion }),
        ...(isOneOfMany && { bulk: this.#context.runner.bulk() }),
        ...("when" in condition && condition.when !== undefined ? { when: condition.when } : {}),
      },
      "leaseToken" in condition ? condition.leaseToken : undefined,
      shape.stored?.shared,
    );
  }

  /** In an outage: keeps what was loaded until its end, if the namespace says so. Nothing has changed since it began. */
  keepInOutage(key: string, plan: LoadPlan, ran: RanLoad<Value>, begun: BegunLoad): void {
    const { near, options, coherence } = this.#context;
    if (near === undefined || options.outageTtlMs === 0 || !coherence.isOutage) return;
    if (begun.generation !== coherence.generation) return;
    const said = this.#saidOrNothing(plan, ran);
    const { stored, refusal } = ran.shape;
    if (said === undefined || said.ttlMs === 0 || refusal !== undefined) return;
    const ttlMs = said.ttlMs ?? (stored === undefined ? this.#writer.negativeTtlMs : options.ttlMs);
    near.keepInOutage(
      {
        key,
        kind: stored === undefined ? "absent" : "hit",
        asOf: { epoch: coherence.epoch, shard: 0, revision: 0 },
        readAtMs: begun.atMs,
        ageMs: 0,
        freshUntilMs: ttlMs === 0 ? Number.POSITIVE_INFINITY : begun.atMs + ttlMs,
        version: 0,
        sourceVersion: said.sourceVersion ?? 0n,
        tags: said.tags ?? [],
        contentType: options.contentType,
        contentEncoding: "",
        encoded: stored?.encoded,
      },
      stored?.shared,
    );
  }

  /** Undefined: the options of the loader are refused. */
  #saidOrNothing(plan: LoadPlan, ran: RanLoad<Value>): CheckedLoaded | undefined {
    try {
      return this.#said(plan, ran);
    } catch {
      return undefined;
    }
  }

  /** What the loader and the call say about the value. Throws FIELD_INVALID where the loader's options are refused. */
  #said(plan: LoadPlan, { loaded }: RanLoad<Value>): CheckedLoaded {
    return { ...plan.entry, ...checkLoaded(loaded.options, this.#context.runner.limits) };
  }

  /** Jitter shortens a TTL and never lengthens it. */
  #jittered(given: number | undefined, isAbsent: boolean): number {
    const { options, rng } = this.#context;
    const ttlMs = given ?? (isAbsent ? this.#writer.negativeTtlMs : options.ttlMs);
    return Math.ceil(ttlMs * (1 - options.ttlJitter * rng.fraction()));
  }
}
