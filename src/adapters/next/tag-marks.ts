/**
 * When tags were last revalidated. Entries have their tags in the cache, so an invalidation removes them. A mark is for what that
 * does not reach: entries that were being generated at the time, and reads under tags that an entry does not have (Next.js' soft
 * tags, of the path of a page).
 *
 * A mark and an entry are compared by their ages, which the server counts from their Sets: no clock of another machine matters.
 */
import type { Namespace } from "../../client/namespace.ts";
import { asBuffer, NO_BYTES } from "../../common/bytes.ts";
import { fromFrame, toFrame } from "../../http-proxy/rules/framed.ts";
import { ForeignKeys } from "../foreign-keys.ts";

const MARK_FORM = 6;
/** How long a mark may take to be read. Its age may be too much by that, so the comparison allows for it. */
const READ_DEADLINE_MS = 1_000;
/** Never: what is marked as stale stays servable. */
const NEVER_MS = Number.MAX_SAFE_INTEGER;

/** So often a tag may be marked between the two steps of a mark that leaves entries servable. Then they expire. */
const MARK_ATTEMPTS = 10;

interface Mark {
  readonly expireMs: number;
  /** When it was made, for how long what was older had been expired by earlier marks. */
  readonly expiredForMs?: number | undefined;
}

const EXPIRED: Mark = { expireMs: 0 };

/** What the tags of an entry say of it. */
export type Freshness = "fresh" | "stale" | "expired";

export class TagMarks {
  readonly #entries: Namespace<Uint8Array>;
  readonly #keys = new ForeignKeys("tag");

  constructor(entries: Namespace<Uint8Array>) {
    this.#entries = entries;
  }

  /** `expireMs`: how long older entries may still be served while others are generated. 0: not at all. Undefined: for ever. */
  async mark(tags: readonly string[], expireMs: number | undefined): Promise<void> {
    await Promise.all(tags.map((tag) => this.#markOne(this.#keys.toKey(tag), expireMs ?? NEVER_MS)));
  }

  /** What an earlier mark has expired stays so. */
  async #markOne(key: string, expireMs: number): Promise<void> {
    for (let attempt = 0; expireMs > 0 && attempt < MARK_ATTEMPTS; attempt += 1) {
      const earlier = await this.#entries.entry(key, { maxStalenessMs: 0 });
      const expiredForMs = earlier.kind === "hit" ? expiredFor(earlier.value, earlier.ageMs) : undefined;
      const when = (earlier.kind === "hit" ? earlier.version : undefined) ?? "absent";
      const marked = await this.#entries.set(key, encodeMark({ expireMs, expiredForMs }), { ttlMs: 0, when });
      if (marked.kind === "stored") return;
    }
    await this.#entries.set(key, encodeMark(EXPIRED), { ttlMs: 0 });
  }

  /** Of an entry whose generation began so long ago. */
  async freshness(tags: readonly string[], ageMs: number): Promise<Freshness> {
    const found = await Promise.all(
      tags.map((tag) => this.#entries.entry(this.#keys.toKey(tag), { deadlineMs: READ_DEADLINE_MS })),
    );
    let freshness: Freshness = "fresh";
    for (const mark of found) {
      if (mark.kind !== "hit") continue;
      const isBefore = (markedForMs: number) => markedForMs - READ_DEADLINE_MS <= ageMs;
      const expiredForMs = expiredFor(mark.value, mark.ageMs);
      if (expiredForMs !== undefined && isBefore(expiredForMs)) return "expired";
      if (isBefore(mark.ageMs)) freshness = "stale";
    }
    return freshness;
  }
}

function encodeMark(mark: Mark): Buffer {
  return toFrame(MARK_FORM, mark, NO_BYTES);
}

/** For how long what was older is expired, by a mark of this age. Undefined: it is not. What is no mark expires, which is safe. */
function expiredFor(bytes: Uint8Array, ageMs: number): number | undefined {
  const { expireMs, expiredForMs } = decodeMark(bytes);
  if (ageMs >= expireMs) return ageMs;
  return expiredForMs === undefined ? undefined : ageMs + expiredForMs;
}

function decodeMark(bytes: Uint8Array): Mark {
  try {
    const { expireMs, expiredForMs } = fromFrame(MARK_FORM, asBuffer(bytes)).head as Mark;
    if (typeof expireMs !== "number") return EXPIRED;
    return { expireMs, expiredForMs: typeof expiredForMs === "number" ? expiredForMs : undefined };
  } catch {
    return EXPIRED;
  }
}
