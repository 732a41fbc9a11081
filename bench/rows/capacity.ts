/** The highest open-loop rate that a side sustains. Other rows measure at half of it. */
import type { Session } from "../session.ts";
import type { RemoteSide } from "./remote-side.ts";

export interface Churn {
  /** Share of Sets among the operations. */
  readonly writeShare: number;
  readonly valueBytes: number;
}

const CLOSED_LOOP_IN_FLIGHT = 64;
/**
 * In a closed loop answers and new requests come in bursts, which a client pipelines best. Single arrivals
 * cost more each, so the search begins well below the rate of the closed loop.
 */
const FIRST_SHARE = 1 / 8;
const FACTOR = 1.4;
const KEPT_UP_SHARE = 0.95;
/** A step that fails is repeated, because the machine may have been busy with other work. */
const TRIES = 2;

/** In operations per second: the highest of the tried rates at which the side keeps up with Poisson arrivals. */
export async function sustainedPerSecond(
  session: Session,
  side: RemoteSide,
  { writeShare, valueBytes }: Churn,
): Promise<number> {
  const { warmUpMs, seed } = session.plan;
  session.step("capacity");
  const closed = await side.load.call("closedLoop", {
    operation: "get",
    inFlight: CLOSED_LOOP_IN_FLIGHT,
    distribution: "zipfian",
    durationMs: warmUpMs,
    seed,
    missesAllowed: true,
  });
  const keepsUp = async (perSecond: number): Promise<boolean> => {
    for (let at = 0; at < TRIES; at++) {
      const window = await side.load.call("openLoop", {
        perSecond,
        writeShare,
        durationMs: warmUpMs,
        valueBytes,
        seed: seed + at,
      });
      if (window.failed === 0 && window.perSecond >= perSecond * (1 - writeShare) * KEPT_UP_SHARE)
        return true;
    }
    return false;
  };
  let sustained = closed.perSecond * FIRST_SHARE;
  while (sustained < closed.perSecond && (await keepsUp(sustained * FACTOR))) sustained *= FACTOR;
  return sustained;
}
