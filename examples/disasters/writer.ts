/** The writer: commits a row to the database, and then invalidates its copies in the whole mesh. */
import { setTimeout as pause } from "node:timers/promises";
// In your own service: from "meshcache".
import { QueuedInvalidationError } from "../../src/index.ts";
import { openCache, rowsOf, sayWhenConnected } from "./cache.ts";
import { queryRow } from "./database.ts";
import { type Answer, type Ask, answer } from "./messages.ts";

const [cacheAddress = "", databaseUrl = ""] = process.argv.slice(2);
const cache = openCache(cacheAddress, { nearCache: false });
const rows = rowsOf(cache);

/** Nothing is tried again here: what the cache has not acknowledged in time waits in the client for a connection. */
async function invalidate(key: string): Promise<Answer> {
  try {
    await rows.invalidate({ keys: [key] });
    return { queued: false };
  } catch (error) {
    if (error instanceof QueuedInvalidationError) return { queued: true };
    throw error;
  }
}

async function work(ask: Ask): Promise<Answer> {
  switch (ask.kind) {
    case "write": {
      const { version } = await queryRow(databaseUrl, ask.key, "POST");
      return { version, ...(await invalidate(ask.key)) };
    }
    case "invalidate":
      return invalidate(ask.key);
    case "acknowledge":
      while (cache.stats().invalidations.waiting > 0) await pause(5);
      return {};
    case "close":
      return { unacknowledged: (await cache.close({ graceMs: 200 })).unacknowledged.length };
    default:
      throw new Error(`a writer is not asked to ${ask.kind}`);
  }
}

process.on("message", (ask: Ask) => void answer(ask.id, () => work(ask)));
await sayWhenConnected(rows);
