/** The writer: commits a row to the database, and then invalidates its copies in the whole mesh. */
import { setTimeout as pause } from "node:timers/promises";
import { openRows, sayWhenConnected } from "./cache.ts";
import { queryRow } from "./database.ts";
import { type Ask, answer } from "./messages.ts";

const RETRY_MS = 50;

const [cacheAddress = "", databaseUrl = ""] = process.argv.slice(2);
const rows = openRows(cacheAddress, { nearCache: false });

/** Until the cache has acknowledged it. What is committed and not invalidated would stay in the cache until its TTL. */
async function invalidate(key: string): Promise<void> {
  for (;;) {
    try {
      await rows.invalidate({ keys: [key] });
      return;
    } catch {
      await pause(RETRY_MS);
    }
  }
}

process.on("message", (ask: Ask) => {
  if (ask.kind !== "write") return;
  void answer(ask.id, async () => {
    const { version } = await queryRow(databaseUrl, ask.key, "POST");
    await invalidate(ask.key);
    return { version, source: "database" };
  });
});
await sayWhenConnected(rows);
