/**
 * What the principals of a policy use, in memory that all threads of a process share: a record for each name, which any
 * thread finds by it. A record is not given back: whoever is named by a policy again goes on where it was, and the table has
 * room for three times the principals of the largest policy.
 */
import { hash } from "node:crypto";
import type { OpenKind } from "../access/meter.ts";

const RECORD_BYTES = 64;
const RECORDS = 32_768;
/** In a record: who it is of. 0: nobody. */
const NAME_AT = 0;
/** When the next operation, and the next byte, are due. */
const OPERATIONS_AT = 8;
const BYTES_AT = 16;
const CONNECTIONS_AT = 24;
const STREAMS_AT = 28;
const HELD_AT = 32;

/** The numbers of one principal. */
export interface PrincipalRecord {
  readonly operationsDue: BigInt64Array;
  readonly bytesDue: BigInt64Array;
  readonly open: Readonly<Record<OpenKind, Int32Array>>;
  readonly held: Int32Array;
}

export function createPrincipalMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(RECORDS * RECORD_BYTES);
}

export class PrincipalTable {
  readonly #memory: SharedArrayBuffer;

  constructor(memory: SharedArrayBuffer) {
    this.#memory = memory;
  }

  /** The same for all threads. A table that is full has no room for a new one: that is counted by each thread for itself. */
  recordOf(name: string): PrincipalRecord {
    const id = idOf(name);
    const first = Number(BigInt.asUintN(32, id)) % RECORDS;
    for (let step = 0; step < RECORDS; step += 1) {
      const at = ((first + step) % RECORDS) * RECORD_BYTES;
      const found = Atomics.compareExchange(new BigInt64Array(this.#memory, at + NAME_AT, 1), 0, 0n, id);
      if (found === 0n || found === id) return viewOf(this.#memory, at);
    }
    return viewOf(new SharedArrayBuffer(RECORD_BYTES), 0);
  }
}

function viewOf(memory: SharedArrayBuffer, at: number): PrincipalRecord {
  return {
    operationsDue: new BigInt64Array(memory, at + OPERATIONS_AT, 1),
    bytesDue: new BigInt64Array(memory, at + BYTES_AT, 1),
    open: {
      connections: new Int32Array(memory, at + CONNECTIONS_AT, 1),
      streams: new Int32Array(memory, at + STREAMS_AT, 1),
    },
    held: new Int32Array(memory, at + HELD_AT, 1),
  };
}

function idOf(name: string): bigint {
  const id = hash("sha256", name, "buffer").readBigInt64LE();
  return id === 0n ? 1n : id;
}
