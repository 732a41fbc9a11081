/** A message port from every thread to every other. */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { Bound } from "../../common/bound.ts";

/** Each worker is a thread; the number of ports between threads grows with the square of theirs. */
export const WORKERS_BOUND: Bound = { fallback: 1, min: 1, max: 256 };

/** By thread, and there by peer; a thread has no port to itself. */
export function connectThreads(count: number): readonly (readonly (MessagePort | undefined)[])[] {
  const ports = Array.from({ length: count }, () =>
    new Array<MessagePort | undefined>(count).fill(undefined),
  );
  for (const [one, ofOne] of ports.entries()) {
    for (const [other, ofOther] of ports.entries()) {
      if (other <= one) continue;
      const { port1, port2 } = new MessageChannel();
      ofOne[other] = port1;
      ofOther[one] = port2;
    }
  }
  return ports;
}
