/** The access traces for the hit-ratio row: big-endian 32-bit integers, gzipped. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";

export const traceNames = ["web07", "orm-night"] as const;
export type TraceName = (typeof traceNames)[number];

export function tracePath(folder: string, name: TraceName): string {
  return join(folder, `${name}.trace.gz`);
}

export function hasTrace(folder: string, name: TraceName): boolean {
  return existsSync(tracePath(folder, name));
}

/** The accesses. Objects are numbered from 0 in the order of their first access. */
export interface Trace {
  readonly accesses: Uint32Array;
  readonly objects: number;
}

export async function readTrace(folder: string, name: TraceName, accessesMax: number): Promise<Trace> {
  const bytes = await promisify(gunzip)(await readFile(tracePath(folder, name)));
  const accesses = new Uint32Array(Math.min(accessesMax, Math.floor(bytes.length / 4)));
  const numbers = new Map<number, number>();
  for (let at = 0; at < accesses.length; at++) {
    const object = bytes.readUInt32BE(at * 4);
    const known = numbers.get(object);
    if (known === undefined) numbers.set(object, numbers.size);
    accesses[at] = known ?? numbers.size - 1;
  }
  return { accesses, objects: numbers.size };
}
