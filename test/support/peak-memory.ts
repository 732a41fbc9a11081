/** Preloaded into a process (`--import`): at its end it writes the most memory that was resident to PEAK_MEMORY_FILE. Linux only. */
import { writeFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { statusBytes } from "./process-memory.ts";

const { PEAK_MEMORY_FILE } = process.env;
if (isMainThread && PEAK_MEMORY_FILE !== undefined) {
  process.on("exit", () => writeFileSync(PEAK_MEMORY_FILE, `${statusBytes(process.pid, "VmHWM")}`));
}
