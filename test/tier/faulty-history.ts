/** A history during which the engine has a fault. */
import { expect } from "vitest";
import { eventually } from "../support/eventually.ts";
import type { TierServers } from "../support/tier-server.ts";
import { History } from "./history.ts";

/** Runs a history over two servers, during which `fault` happens, until both serve again. */
export async function historyOver(
  { servers, stores }: TierServers,
  fault: () => Promise<void>,
): Promise<History> {
  const [one, other] = servers;
  if (one === undefined || other === undefined) throw new Error("there are two servers");
  const history = new History();
  history.write([one.client, other.client]);
  history.read(one.connect());
  history.read(other.connect());
  history.readNear(one.address);
  history.readNear(other.address);
  await eventually(() => expect(history.counts.nearReads).toBeGreaterThan(500));
  await fault();
  const { written } = history.counts;
  await eventually(() => expect(history.counts.written).toBeGreaterThan(written + 500));
  await eventually(() => expect(stores.map((store) => store.problem())).toEqual([undefined, undefined]));
  await history.end();
  return history;
}

/** Both servers have one epoch, and it is another one. */
export async function changedEpochs({ stores }: TierServers, before: readonly bigint[]): Promise<void> {
  await eventually(() => {
    const [one, other] = stores.map(({ epoch }) => epoch);
    expect(one).not.toBe(before[0]);
    expect(other).toBe(one);
  });
}
