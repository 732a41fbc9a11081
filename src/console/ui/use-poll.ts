/** A poll that lasts as long as its view. */
import { useEffect, useMemo } from "preact/hooks";
import { createPoll, type Poll } from "../data/poll.ts";
import { usePage } from "./page.ts";

/** `subject`: what is asked for. Another subject begins another poll. */
export function usePoll<T>(
  subject: string,
  intervalMs: number,
  read: (signal: AbortSignal) => Promise<T>,
): Poll<T> {
  const { schedule } = usePage();
  const poll = useMemo(() => createPoll({ read, intervalMs, schedule }), [subject, intervalMs]);
  useEffect(() => poll.start(), [poll]);
  return poll;
}
