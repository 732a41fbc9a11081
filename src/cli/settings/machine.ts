/** The properties of the machine, and of the container on it, that decide defaults of a server and what it may have. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { platform } from "node:process";
import { type CgroupLimits, type ReadFile, readCgroupLimits } from "./cgroup.ts";

export interface Machine extends CgroupLimits {
  readonly cores: number;
  /** `process.platform`: "linux", "darwin" and so on. */
  readonly platform: string;
}

/** Platforms that spread the connections to one port over several listening sockets (Node's `reusePort`). */
const SHARING_PLATFORMS: ReadonlySet<string> = new Set(["linux", "freebsd", "sunos", "aix"]);

export function thisMachine(readFile: ReadFile = (path) => readFileSync(path, "utf8")): Machine {
  return { cores: availableParallelism(), platform, ...readCgroupLimits(readFile) };
}

export function sharesPorts(machine: Machine): boolean {
  return SHARING_PLATFORMS.has(machine.platform);
}
