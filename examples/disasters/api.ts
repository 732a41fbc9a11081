/** An API process: reads rows through the cache, and from the database what the cache does not have. */
import { openRows, sayWhenConnected } from "./cache.ts";
import { queryRow } from "./database.ts";
import { type Ask, answer, type Row } from "./messages.ts";

const [cacheAddress = "", databaseUrl = ""] = process.argv.slice(2);
const rows = openRows(cacheAddress);
const never = Promise.withResolvers<Row>();

process.on("message", (ask: Ask) => {
  if (ask.kind !== "read") return;
  const loader = () => (ask.slowly ? never.promise : queryRow(databaseUrl, ask.key, "GET"));
  void answer(ask.id, async () => {
    const entry = await rows.entry(ask.key, { loader });
    if (entry.kind !== "hit") throw new Error(`the row is ${entry.kind}`);
    return { version: entry.value.version, source: entry.source };
  });
});
await sayWhenConnected(rows);
