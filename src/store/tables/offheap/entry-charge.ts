/** Accounts the entries of the log to their namespaces: each once with 1, and once with -1 when it goes. */
import type { NamespaceRecords } from "../../api/table.ts";
import { labelsByteOf, tagsByteOf } from "./entry-head.ts";
import { entryBytesAt, FLAG, hasFlag, recordAt, SLOT_BYTES, uint16At } from "./entry-header.ts";
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
  const { bytes } = memory;
  const labels = labelsByteOf(memory, at);
  const labelsEnd = labels + uint16At(bytes, labels);
  let byte = tagsByteOf(bytes, labels);
  while (byte < labelsEnd) {
    const begin = byte + 2;
    byte = begin + uint16At(bytes, byte);
    namespaces.chargeTag(record, bytes, begin, byte, entries);
  }
}
