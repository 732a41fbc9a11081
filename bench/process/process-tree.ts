/** A process with its children, as Linux knows them: their processor time, and the core that all of them run on. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpuMicros } from "./cpu-time.ts";

export function treeOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return [pid, ...(children === "" ? [] : children.split(" ").flatMap((child) => treeOf(Number(child))))];
}

/** User and system time of all of them since their start, in microseconds. */
export function treeCpuMicros(pid: number): number {
  return treeOf(pid).reduce((sum, one) => sum + cpuMicros(one), 0);
}

/** All their threads run on this core from now on, and those that they start. */
export function pinTree(pid: number, core: number): void {
  for (const one of treeOf(pid))
    execFileSync("taskset", ["--all-tasks", "--cpu-list", "--pid", `${core}`, `${one}`], { stdio: "ignore" });
}
