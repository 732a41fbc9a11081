/** Resident memory of a process, read in the same way for both sides. */
import { readFileSync } from "node:fs";

/** Bytes in RAM, as counted by the kernel. Linux only. */
export function residentBytes(pid: number): number {
  const kibibytes = readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB$/m)?.[1];
  if (kibibytes === undefined) throw new Error(`no resident memory of process ${pid}`);
  return Number(kibibytes) * 1024;
}
