/** Attacks on what namespaces share (A5): fences, leases and entries, by one client in namespaces of its own. */

import { connectRaw } from "../support/raw-grpc.ts";
import { type Attack, type Target, whileOpen } from "./attack.ts";
import * as request from "./requests.ts";

const { PATHS } = request;
const PER_BATCH = 1_000;

type Operation = request.Operation;

/** Sends all of `operations` in Batches, `rounds` times or until the time is over. */
async function sendAll(target: Target, operations: readonly Operation[], rounds: number): Promise<void> {
  const raw = await connectRaw(target.address);
  const bodies: Buffer[] = [];
  for (let at = 0; at < operations.length; at += PER_BATCH)
    bodies.push(request.batch({ operations: operations.slice(at, at + PER_BATCH) }));
  let round = 0;
  await whileOpen(target, raw, async () => {
    if (round++ >= rounds) {
      await Promise.race([
        raw.closed,
        new Promise((resolve) => target.over.addEventListener("abort", resolve)),
      ]);
      return;
    }
    for (const body of bodies) if (!target.over.aborted) await raw.call(PATHS.batch, body);
  });
  raw.close();
}

function attackOf(
  name: string,
  about: string,
  rounds: number,
  operations: () => readonly Operation[],
): Attack {
  return { name, line: "A5", about, run: (target) => sendAll(target, operations(), rounds) };
}

const manyTags = attackOf(
  "9,000 tags invalidated in another namespace",
  "9,000 invalidations of different tags, again and again",
  Number.POSITIVE_INFINITY,
  () =>
    Array.from({ length: 9_000 }, (_, index) =>
      request.invalidateOperation("a5-tags", { case: "tags", value: { tags: [`t${index}`] } }),
    ),
);
const manyClears = attackOf(
  "100 other namespaces cleared",
  "a Set into each of 100 namespaces, and then all of them cleared, again and again",
  Number.POSITIVE_INFINITY,
  () =>
    Array.from({ length: 100 }, (_, index): Operation[] => {
      const namespace = `a5-${index}`;
      const set = { namespace, key: "k", value: Buffer.alloc(100) };
      return [
        { operation: { case: "set", value: set } },
        request.invalidateOperation(namespace, { case: "all", value: true }),
      ];
    }).flat(),
);
const manyLeases = attackOf(
  "262,144 leases of one client",
  "262,144 leases of 30 s on different keys, which are held then",
  1,
  () =>
    Array.from({ length: 262_144 }, (_, index): Operation => {
      const lease = { namespace: "a5-leases", key: `k${index}`, leaseMs: 30_000 };
      return { operation: { case: "lease", value: lease } };
    }),
);

export const namespaceAttacks: readonly Attack[] = [manyTags, manyClears, manyLeases];
