/** What a comparison runs in: the plan, the progress, and the start of processes, profiled or not. */

import type { Plan } from "./plan.ts";
import { type Child, type ChildOptions, startChild } from "./process/child.ts";
import type { Handlers } from "./process/worker.ts";

/** Only meshcache's own processes are ever profiled. */
export type Role = "server" | "client" | "other";

export interface Session {
  readonly plan: Plan;
  /** One measured window or one fill has begun. */
  step(label: string): void;
  start<Api extends Handlers>(role: Role, file: URL, options?: ChildOptions): Child<Api>;
}

export interface SessionOptions {
  readonly plan: Plan;
  readonly step: (label: string) => void;
  /** Where profiles of meshcache's processes go; without it none are taken. */
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
