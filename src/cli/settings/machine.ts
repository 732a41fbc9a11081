/** The properties of the machine that decide how many workers a server has, and may have. */
import { availableParallelism } from "node:os";
import { platform } from "node:process";

export interface Machine {
  readonly cores: number;
  /** `process.platform`: "linux", "darwin" and so on. */
  readonly platform: string;
}

/** Platforms that spread the connections to one port over several listening sockets (Node's `reusePort`). */
const SHARING_PLATFORMS: ReadonlySet<string> = new Set(["linux", "freebsd", "sunos", "aix"]);

export function thisMachine(): Machine {
  return { cores: availableParallelism(), platform };
}

export function sharesPorts(machine: Machine): boolean {
  return SHARING_PLATFORMS.has(machine.platform);
}
