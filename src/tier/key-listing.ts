/**
 * Lists the keys of a namespace: scans one node of the engine after the other, and asks each shard which of the keys that were found are
 * there. A page stands at a cursor of a node's scan; when the shards of that node are elsewhere by then, or the store is of another epoch,
 * there is no such place any more.
 */
import { crc32 } from "node:zlib";
import { CacheError, fieldInvalid } from "../common/errors.ts";
import type { KeyView, ListKeysCommand, ListKeysResult, ListPosition, Stamp } from "../store/api/store.ts";
import { ask } from "./engine/ask.ts";
import { unavailable } from "./engine/connection.ts";
import type { Reply } from "./engine/resp3.ts";
import { entryName, shardKeys } from "./library/keys.ts";
import { getOperation } from "./library/operations.ts";
import { readKeyView } from "./library/results.ts";
import type { NodeLink } from "./node-link.ts";
import { TENURE_CHECK } from "./tenure.ts";

/** Steps of the scan for one page, and entries that each looks at. */
const STEPS_MAX = 16;
const STEP_MAX_ENTRIES = 256;
/** A position: a number for the node and its shards in the upper bits, and the cursor of its scan in these. */
const CURSOR_BITS = 2 ** 32;
const NODE_NUMBERS = 2 ** 16;

/** One node of the engine with the shards that it has, the lowest first. */
export interface ListedNode {
  readonly link: NodeLink;
  readonly shards: readonly number[];
}

/** Runs one operation of a shard, and rejects when there is no answer. */
export type AskShard = (
  shard: number,
  bytes: Buffer,
  keys: readonly string[],
) => Promise<{ readonly result: Buffer; readonly nowMs: number }>;

/** `epochNow`: of the store. `nodes`: by their lowest shards. Rejects with FIELD_INVALID for a position that is none any more. */
export async function listKeys(
  command: ListKeysCommand,
  epochNow: () => bigint,
  nodes: readonly ListedNode[],
  askShard: AskShard,
): Promise<ListKeysResult> {
  const { maxKeys, from } = command;
  const epoch = epochNow();
  const keys: KeyView[] = [];
  const stamps = new Map<number, Stamp>();
  const scanned = new Set<ListedNode>();
  let place = from === undefined ? placeOf(nodes[0], 0) : resume(from, epoch, nodes);
  for (let step = 0; place !== undefined && step < STEPS_MAX && keys.length < maxKeys; step++) {
    scanned.add(place.node);
    const found = await scan(place, command, Math.min(STEP_MAX_ENTRIES, maxKeys - keys.length));
    const views = await Promise.all(found.names.map((name) => viewOf(name, command.namespace, askShard)));
    for (const { view, stamp } of views) {
      if (view !== undefined) keys.push(view);
      stamps.set(stamp.shard, stamp);
    }
    place =
      found.cursor > 0
        ? { ...place, cursor: found.cursor }
        : placeOf(nodes[nodes.indexOf(place.node) + 1], 0);
  }
  await Promise.all([...scanned].flatMap((node) => checkShards(node, askShard)));
  if (epochNow() !== epoch) {
    throw from === undefined ? unavailable("the store has begun again while it was listed") : otherPlace();
  }
  return { keys, stamps: [...stamps.values()], next: place && toPosition(place, epoch) };
}

/** A node scans what it has, also when that is not what was written last, or another node is in its place: its shards tell. */
function checkShards({ shards }: ListedNode, askShard: AskShard): Promise<unknown>[] {
  return shards.map((shard) => askShard(shard, TENURE_CHECK, []));
}

interface Place {
  readonly node: ListedNode;
  readonly cursor: number;
}

function placeOf(node: ListedNode | undefined, cursor: number): Place | undefined {
  return node && { node, cursor };
}

function toPosition({ node, cursor }: Place, epoch: bigint): ListPosition {
  return { shard: node.shards[0] ?? 0, position: numberOf(node, epoch) * CURSOR_BITS + cursor };
}

function resume({ shard, position }: ListPosition, epoch: bigint, nodes: readonly ListedNode[]): Place {
  const node = nodes.find(({ shards }) => shards[0] === shard);
  if (node === undefined || numberOf(node, epoch) !== Math.floor(position / CURSOR_BITS)) {
    throw fieldInvalid(
      "page_token",
      "of a listing since which no shard has moved to another node or begun again",
    );
  }
  return { node, cursor: position % CURSOR_BITS };
}

function otherPlace(): CacheError {
  return fieldInvalid(
    "page_token",
    "of a listing since which no shard has moved to another node or begun again",
  );
}

/** Tells the node from others, and itself from when it had other shards or other epochs. */
function numberOf({ link, shards }: ListedNode, epoch: bigint): number {
  return crc32(`${link.node.id} ${shards.join()} ${epoch}`) % NODE_NUMBERS;
}

interface Found {
  readonly names: readonly { readonly shard: number; readonly key: string }[];
  readonly cursor: number;
}

async function scan(
  { node, cursor }: Place,
  { namespace, prefix }: ListKeysCommand,
  entries: number,
): Promise<Found> {
  const pattern = `{mc*}:e:${escapeGlob(entryName(namespace, prefix))}*`;
  const args = ["SCAN", String(cursor), "MATCH", pattern, "COUNT", String(entries)];
  const [next, found] = (await ask(node.link.connection, args)) as readonly [Reply, Reply];
  const nextCursor = Number(String(next));
  if (!Number.isSafeInteger(nextCursor) || nextCursor >= CURSOR_BITS || !Array.isArray(found)) {
    throw new CacheError(
      "INTERNAL",
      "internal error",
      {},
      { cause: new Error("a scan that has no such place") },
    );
  }
  return { names: namesIn(found, node.shards, namespace), cursor: nextCursor };
}

function namesIn(found: readonly Reply[], shards: readonly number[], namespace: string): Found["names"] {
  const byPrefix = new Map(shards.map((shard) => [shardKeys(shard).entries, shard]));
  const names: { shard: number; key: string }[] = [];
  for (const bytes of found) {
    const name = Buffer.isBuffer(bytes) ? bytes.toString() : "";
    const begin = name.indexOf(":e:") + 3;
    const shard = byPrefix.get(name.slice(0, begin));
    if (shard !== undefined) names.push({ shard, key: name.slice(begin + namespace.length + 1) });
  }
  return names;
}

async function viewOf(
  { shard, key }: { readonly shard: number; readonly key: string },
  namespace: string,
  askShard: AskShard,
): Promise<{ readonly view: KeyView | undefined; readonly stamp: Stamp }> {
  const { result, nowMs } = await askShard(shard, getOperation({ namespace, key }, true, true), [
    entryName(namespace, key),
  ]);
  const stamp = { shard, revision: result.readUIntBE(1, 6) };
  return { view: readKeyView(result, { shard, nowMs }, key), stamp };
}

/** In a pattern of the engine these stand for other characters. */
function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]^-]/g, "\\$&");
}
