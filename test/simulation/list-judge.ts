/**
 * Judges listings. A page says what its shards hold in that moment. A whole listing has every key that had an entry from its
 * begin to its end, and nothing that had none meanwhile: what changes may be listed, or not, or more than once.
 */
import type { KeyFacts } from "../../src/client/api/results.ts";
import type { KeyView, ListKeysCommand } from "../../src/store/api/store.ts";
import type { History, Moment } from "./history.ts";
import type { Spell, Truth } from "./truth.ts";

/** A listing of a client that was not cut off. */
export interface Listing {
  readonly client: string;
  readonly prefix: string;
  readonly keys: readonly KeyFacts[];
  readonly call: Moment;
  readonly returned: Moment;
}

export interface ListJudge {
  /** How many listings were judged. */
  readonly judged: number;
  listed(listing: Listing): void;
}

export function createListJudge(history: History, truth: Truth): ListJudge {
  let judged = 0;
  const meanwhile = (key: string, { call, returned }: Listing): Spell[] =>
    truth
      .spells(key)
      .filter(
        ({ from, end }) => from.order < returned.order && (end === undefined || end.order > call.order),
      );

  function checkListed(one: KeyFacts, listing: Listing): void {
    const { key, version } = one;
    if (!key.startsWith(listing.prefix)) {
      history.violate("list-prefix", `${listing.client} was told of ${key}, which it did not ask for`);
    }
    const life = truth.lifeOf(version.epoch);
    const was = meanwhile(key, listing).some(
      ({ held }) => held?.version === version.revision && held.life === life,
    );
    if (!was) history.violate("list-unknown", `${listing.client} was told of ${key} v${version.revision}`);
  }

  return {
    get judged() {
      return judged;
    },
    listed(listing) {
      judged += 1;
      const { client, prefix, keys, call, returned } = listing;
      if (new Set(keys.map(({ version }) => version.epoch)).size > 1)
        history.violate("list-lives", `${client} was told of two lives of the store in one listing`);
      for (const one of keys) checkListed(one, listing);
      const told = new Set(keys.map(({ key }) => key));
      for (const key of truth.keys) {
        if (!key.startsWith(prefix) || told.has(key)) continue;
        if (meanwhile(key, listing).every((spell) => staysUntil(spell, returned.atMs))) {
          const times = `${call.atMs} to ${returned.atMs} ms`;
          history.violate("list-missing", `${client} was not told of ${key}, which was there from ${times}`);
        }
      }
    },
  };
}

/** There is an entry all the time, until the spell ends or until then. */
function staysUntil({ held, end, staleUntilMs }: Spell, ms: number): boolean {
  return held !== undefined && staleUntilMs > Math.min(end?.atMs ?? ms, ms);
}

/** A page of the store, at the moment at which it was made. */
export function checkPage(
  history: History,
  truth: Truth,
  { prefix }: ListKeysCommand,
  keys: readonly KeyView[],
  nowMs: number,
): void {
  for (const view of keys) {
    const { held, soft, freshUntilMs, staleUntilMs } = truth.current(view.key);
    const isThere = held !== undefined && nowMs < staleUntilMs;
    const right = isThere && {
      version: held.version,
      valueBytes: Buffer.byteLength(held.value ?? ""),
      stale: soft || nowMs >= freshUntilMs,
      absent: held.value === undefined,
    };
    const { version, valueBytes, stale, absent } = view;
    const said = JSON.stringify({ version, valueBytes, stale, absent });
    if (!view.key.startsWith(prefix) || said !== JSON.stringify(right)) {
      history.violate("list-page", `${view.key} is listed as ${said} but is ${JSON.stringify(right)}`);
    }
  }
}
