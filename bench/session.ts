/** The context of a comparison: the plan, the progress, and the start of processes, with or without a profile. */

import type { Plan } from "./plan.ts";
import { type Child, type ChildOptions, startChild } from "./process/child.ts";
import type { Handlers } from "./process/worker.ts";

/** Only processes of meshcache are profiled. */
export type Role = "server" | "client" | "other";

export interface Session {
  readonly plan: Plan;
  /** Reports that a measured window or a fill has begun. */
  step(label: string): void;
  start<Api extends Handlers>(role: Role, file: URL, options?: ChildOptions): Child<Api>;
}

export interface SessionOptions {
  readonly plan: Plan;
  readonly step: (label: string) => void;
  /** The folder for profiles of meshcache's processes. Undefined: no profiles are taken. */
  readonly profileFolder?: string;
}

export function createSession({ plan, step, profileFolder }: SessionOptions): Session {
  return {
    plan,
    step,
    start(role, file, options = {}) {
      if (profileFolder === undefined || role === "other") return startChild(file, options);
      const profileArgs = [
        "--cpu-prof",
        `--cpu-prof-dir=${profileFolder}`,
        `--cpu-prof-name=${role}-${process.hrtime.bigint()}.cpuprofile`,
      ];
      return startChild(file, { ...options, nodeArgs: [...profileArgs, ...(options.nodeArgs ?? [])] });
    },
  };
}
