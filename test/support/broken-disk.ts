/** A disk on which a call of the file system goes wrong, for all modules that use Node's. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

/** Where it goes wrong: when so many bytes are written, or at the call of this number, from 0. */
export type Break =
  | { readonly afterBytes: number }
  | { readonly call: "fsyncSync" | "renameSync"; readonly nth: number };

/** Runs `body` with `fault` in the place of the call. A disk that is full takes what has room of a write, as Linux does. */
export function withBrokenDisk<Result>(where: Break, fault: () => void, body: () => Result): Result {
  const real = { writeSync: fs.writeSync, fsyncSync: fs.fsyncSync, renameSync: fs.renameSync };
  if ("afterBytes" in where) {
    let left = where.afterBytes;
    const write = (file: number, bytes: NodeJS.ArrayBufferView, from = 0): number => {
      if (left === 0) fault();
      const taken = real.writeSync(file, bytes, from, Math.min(left, bytes.byteLength - from));
      left -= taken;
      return taken;
    };
    Object.assign(fs, { writeSync: write });
  } else {
    const { call, nth } = where;
    let calls = 0;
    const made = (...input: [never, never]): void => {
      if (calls++ === nth) fault();
      real[call](...input);
    };
    Object.assign(fs, { [call]: made });
  }
  syncBuiltinESMExports();
  try {
    return body();
  } finally {
    Object.assign(fs, real);
    syncBuiltinESMExports();
  }
}
