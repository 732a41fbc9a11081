/** What of the machine decides how many workers a server has, and may have. */
import { availableParallelism } from "node:os";
import { platform } from "node:process";

export interface Machine {
  readonly cores: number;
  /** As Node names it: "linux", "darwin" and so on. */
  readonly platform: string;
}

/** Where the system spreads connections over the sockets that listen on one port (Node's `reusePort`). */
const SHARING_PLATFORMS: ReadonlySet<string> = new Set(["linux", "freebsd", "sunos", "aix"]);

export function thisMachine(): Machine {
  return { cores: availableParallelism(), platform };
}

export function sharesPorts(machine: Machine): boolean {
  return SHARING_PLATFORMS.has(machine.platform);
}
