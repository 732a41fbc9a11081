/** Accounts the entries of the log to their namespaces: each once with 1, and once with -1 when it goes. */
import type { NamespaceRecords } from "../../api/table.ts";
import { eachTagAt } from "./entry-head.ts";
import { entryBytesAt, FLAG, hasFlag, recordAt, SLOT_BYTES } from "./entry-header.ts";
import type { Memory } from "./memory.ts";

/** Call it while all of the entry's head is in place. */
export function chargeAt(memory: Memory, at: number, namespaces: NamespaceRecords, entries: 1 | -1): void {
  namespaces.chargeEntry(recordAt(memory, at), entries, entryBytesAt(memory, at) + SLOT_BYTES);
  chargeTagsAt(memory, at, namespaces, entries);
}

/** The tags alone, for an entry in the place of another one of the same length. */
export function chargeTagsAt(
  memory: Memory,
  at: number,
  namespaces: NamespaceRecords,
  entries: 1 | -1,
): void {
  if (!hasFlag(memory, at, FLAG.labels)) return;
  const record = recordAt(memory, at);
  eachTagAt(memory, at, (begin, end) => namespaces.chargeTag(record, memory.bytes, begin, end, entries));
}
