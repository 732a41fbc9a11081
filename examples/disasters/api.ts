/** An API process: reads rows through the cache, and from the database what the cache does not have. */
import { openCache, pagesOf, rowsOf, sayWhenConnected } from "./cache.ts";
import { queryRow } from "./database.ts";
import { type Answer, type Ask, answer, type Row } from "./messages.ts";

const HOUR_MS = 3_600_000;

const [cacheAddress = "", databaseUrl = ""] = process.argv.slice(2);
const cache = openCache(cacheAddress);
const rows = rowsOf(cache);
const pages = pagesOf(cache);
const never = Promise.withResolvers<Row>();

async function work(ask: Ask): Promise<Answer> {
  if (ask.kind === "setClock") {
    const { now } = Date;
    Date.now = () => now() + HOUR_MS;
    return {};
  }
  if (ask.kind !== "read") throw new Error(`an API is not asked to ${ask.kind}`);
  const loader = () => (ask.slowly ? never.promise : queryRow(databaseUrl, ask.key, "GET"));
  const entry = await (ask.key.startsWith("page") ? pages : rows).entry(ask.key, { loader });
  if (entry.kind !== "hit") throw new Error(`the row is ${entry.kind}`);
  return { version: entry.value.version, source: entry.source, outage: entry.outage === true };
}

process.on("message", (ask: Ask) => void answer(ask.id, () => work(ask)));
await sayWhenConnected(rows);
