/** Records of namespaces for tests of tables and fences. */
import { expect } from "vitest";
import type { NamespaceRecords, TableEntry } from "../../src/store/api/table.ts";
import type { FingerprintOf } from "../../src/store/hashing/fingerprint.ts";
import { NamespaceTable, namespaceTableBytes } from "../../src/store/namespaces/namespace-table.ts";
import { createRegion } from "../../src/store/shm/region.ts";

/** Namespaces that begin with "a" share a record; each other one has its own. Adds up what a table charges. */
export class TestNamespaces implements NamespaceRecords {
  readonly floors = new Map<number, number>();
  readonly #names: (string | undefined)[] = [undefined];
  readonly #entries: number[] = [];
  readonly #bytes: number[] = [];
  readonly #tags = new Map<string, number>();

  recordOf(namespace: string): number {
    if (namespace.startsWith("a")) return 0;
    const known = this.#names.indexOf(namespace);
    return known === -1 ? this.#names.push(namespace) - 1 : known;
  }

  nameOf(record: number): string | undefined {
    return this.#names[record];
  }

  isShared(record: number): boolean {
    return this.nameOf(record) === undefined;
  }

  isProtected(record: number, bytes: number): boolean {
    return this.bytesOf(record) - bytes < (this.floors.get(record) ?? 0);
  }

  chargeEntry(record: number, entries: 1 | -1, bytes: number): void {
    this.#entries[record] = this.entriesOf(record) + entries;
    this.#bytes[record] = this.bytesOf(record) + entries * bytes;
  }

  chargeTag(record: number, bytes: Uint8Array, begin: number, end: number, entries: 1 | -1): void {
    const tag = `${record} ${Buffer.from(bytes).toString("utf8", begin, end)}`;
    this.#tags.set(tag, (this.#tags.get(tag) ?? 0) + entries);
  }

  entriesOf(record: number): number {
    return this.#entries[record] ?? 0;
  }

  bytesOf(record: number): number {
    return this.#bytes[record] ?? 0;
  }

  /** Exactly these entries are charged, with their tags, and so many bytes for all. */
  check(entries: Iterable<Pick<TableEntry, "namespace" | "tags">>, bytes: number): void {
    const counts = new Map<number, number>();
    const tags = new Map<string, number>();
    for (const entry of entries) {
      const record = this.recordOf(entry.namespace);
      counts.set(record, (counts.get(record) ?? 0) + 1);
      for (const tag of entry.tags) tags.set(`${record} ${tag}`, (tags.get(`${record} ${tag}`) ?? 0) + 1);
    }
    for (const record of this.#names.keys()) expect(this.entriesOf(record)).toBe(counts.get(record) ?? 0);
    expect(this.#bytes.reduce((sum, one) => sum + one, 0)).toBe(bytes);
    const charged = [...this.#tags].filter(([, count]) => count !== 0);
    expect(charged.sort()).toEqual([...tags].sort());
  }
}

/** Views of one table in shared memory, as threads have them. */
export function createNamespaceViews(
  fingerprintOf: FingerprintOf,
  views: number,
  namespacesMax = 4,
  shared = (): void => {},
): NamespaceTable[] {
  const region = createRegion(namespaceTableBytes(namespacesMax));
  return Array.from(
    { length: views },
    () => new NamespaceTable(region, namespacesMax, { fingerprintOf, shared }),
  );
}
