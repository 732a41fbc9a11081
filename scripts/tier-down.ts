/** Ends what `npm run tier:up` has started in this folder. */
import { readFileSync, rmSync } from "node:fs";
import { RUNNING_FILE } from "./tier-running.ts";

const pid = readPid();
if (pid === undefined) {
  console.error("npm run tier:up is not running here");
  process.exitCode = 1;
} else {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // It was killed, and could not say so.
    rmSync(RUNNING_FILE, { force: true });
  }
}

function readPid(): number | undefined {
  try {
    return Number(readFileSync(RUNNING_FILE, "utf8"));
  } catch {
    return undefined;
  }
}
