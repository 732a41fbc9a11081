/** A trace for `meshcache replay`: a real one where it is, else one whose keys are as unevenly used. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ACCESSES = 200_000;
const KEYS = 5_000;

export function traceFile(folder: string): string {
  const real = join(process.env.MESHCACHE_TRACES ?? "", "web07.trace.gz");
  if (process.env.MESHCACHE_TRACES !== undefined && existsSync(real)) return real;
  const bytes = new DataView(new ArrayBuffer(4 * ACCESSES));
  // A linear congruential generator: the same trace in every run.
  let random = 1;
  for (let access = 0; access < ACCESSES; access += 1) {
    random = (random * 1_103_515_245 + 12_345) % 2 ** 31;
    bytes.setInt32(4 * access, Math.floor(KEYS * (random / 2 ** 31) ** 3));
  }
  const made = join(folder, "uneven.trace");
  writeFileSync(made, new Uint8Array(bytes.buffer));
  return made;
}
