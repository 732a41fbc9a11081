/** Deadlines of calls of grpc-js. */
import type { Deadline, InterceptorOptions } from "@grpc/grpc-js";
import { systemClock } from "../../common/clock.ts";

/** How long the call may still take, in milliseconds, by its own deadline and by that of the call that it is part of. */
export function remainingMs({ deadline, parent }: Pick<InterceptorOptions, "deadline" | "parent">): number {
  if (deadline === undefined && parent === undefined) return Number.POSITIVE_INFINITY;
  const atMs = Math.min(toMs(deadline), toMs(parent?.getDeadline()));
  return atMs - systemClock.wallMs();
}

function toMs(deadline: Deadline | undefined): number {
  if (deadline === undefined) return Number.POSITIVE_INFINITY;
  return typeof deadline === "number" ? deadline : deadline.getTime();
}
