/** Reads the records of a shard from the stream that the engine keeps of them. */
import type { Reply } from "./engine/resp3.ts";
import type { ShardKeys } from "./library/keys.ts";
import { readRecords, type TierRecord } from "./library/records.ts";
import { unexpectedReply } from "./library-call.ts";
import type { NodeLink } from "./node-link.ts";

/** That are read at once. */
const PAGE_RECORDS = 1_024;

/**
 * Reads page by page from the id `begin`, and goes on while `take` returns true. `last`: the id of the page's last record; undefined on
 * the last page. Not in later turns: what is published behind the last page is the next record.
 */
export function readStream(
  link: NodeLink,
  keys: ShardKeys,
  shard: number,
  begin: string,
  take: (page: readonly TierRecord[] | Error, last: string | undefined) => boolean,
): void {
  const args = ["XRANGE", keys.stream, begin, "+", "COUNT", String(PAGE_RECORDS)];
  link.connection.send(args, (reply) => {
    if (reply instanceof Error) {
      take(reply, undefined);
      return;
    }
    const last = lastIdOf(reply);
    const goesOn = take(toRecords(reply, shard), last);
    if (goesOn && last !== undefined) readStream(link, keys, shard, `(${last}`, take);
  });
}

/** Of a page of XRANGE. Undefined: it is the last one. */
function lastIdOf(reply: Reply): string | undefined {
  if (!Array.isArray(reply) || reply.length < PAGE_RECORDS) return undefined;
  const [id] = (reply as readonly Reply[]).at(-1) as readonly Reply[];
  return String(id);
}

/** Of a page of XRANGE. */
function toRecords(reply: Reply, shard: number): TierRecord[] {
  if (!Array.isArray(reply)) return [];
  return (reply as readonly Reply[]).flatMap((record) => {
    const [, fields] = record as readonly Reply[];
    const [, payload] = fields as readonly Reply[];
    if (!Buffer.isBuffer(payload)) throw unexpectedReply(payload);
    return readRecords(payload, shard);
  });
}
