/** The message ports between the threads of one process: one channel for every pair. */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { Bound } from "../../common/bound.ts";

/** Each worker is a thread; the number of ports between threads grows with the square of theirs. */
export const WORKERS_BOUND: Bound = { fallback: 1, min: 1, max: 256 };

/** The ports of one thread, by the number of the thread at the other end; undefined at its own number. */
export type PeerPorts = readonly (MessagePort | undefined)[];

/** The ports of `count` threads, by thread. */
export function connectThreads(count: number): readonly PeerPorts[] {
  const ports = Array.from({ length: count }, () =>
    new Array<MessagePort | undefined>(count).fill(undefined),
  );
  for (const [thread, ownPorts] of ports.entries()) {
    for (const [other, otherPorts] of ports.entries()) {
      if (other <= thread) continue;
      const { port1, port2 } = new MessageChannel();
      ownPorts[other] = port1;
      otherPorts[thread] = port2;
    }
  }
  return ports;
}
