/** The shared store as one thread of the process has it, with its ports to the other threads. */
import { createBoundary } from "../../common/boundary.ts";
import { systemClock } from "../../common/clock.ts";
import { systemRng } from "../../common/random.ts";
import type { StoreMessage } from "../../store/api/threads.ts";
import { type AttachedStore, attachStore, type StoreMemory } from "../../store/engine/create-store.ts";
import type { Logger } from "../../telemetry/telemetry.ts";
import type { PeerPorts } from "./thread-ports.ts";

/** `ports`: of this thread, one for each thread of the store. They do not keep the thread alive. */
export function attachThreadStore(
  memory: StoreMemory,
  thread: number,
  ports: PeerPorts,
  logger: Logger,
): AttachedStore {
  const store = attachStore(memory, {
    clock: systemClock,
    rng: systemRng,
    threads: { self: thread, count: ports.length, send: (to, message) => ports[to]?.postMessage(message) },
  });
  const { guard } = createBoundary((error) => {
    logger.error({ err: error }, "handling a message of another thread failed");
  });
  const receive = guard(undefined, (message: StoreMessage) => store.receive(message));
  for (const peer of ports) peer?.on("message", receive).unref();
  return store;
}
