/** The highest open-loop rate that a side sustains. Other rows measure at half of it. */
import type { Session } from "../session.ts";
import type { RemoteSide } from "./remote-side.ts";

export interface Churn {
  /** Share of Sets among the operations. */
  readonly writeShare: number;
  readonly valueBytes: number;
}

const closedLoopInFlight = 64;
/**
 * In a closed loop answers and new requests come in bursts, which a client pipelines best. Single arrivals cost more each,
 * so the search begins well below the rate of the closed loop.
 */
const firstShare = 1 / 8;
const factor = 1.4;
const keptUpShare = 0.95;
/** A step that fails is repeated, because the machine may have been busy with other work. */
const tries = 2;

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
    inFlight: closedLoopInFlight,
    distribution: "zipfian",
    durationMs: warmUpMs,
    seed,
    missesAllowed: true,
  });
  const keepsUp = async (perSecond: number): Promise<boolean> => {
    for (let at = 0; at < tries; at++) {
      const window = await side.load.call("openLoop", {
        perSecond,
        writeShare,
        durationMs: warmUpMs,
        valueBytes,
        seed: seed + at,
      });
      if (window.failed === 0 && window.perSecond >= perSecond * (1 - writeShare) * keptUpShare) return true;
    }
    return false;
  };
  let sustained = closed.perSecond * firstShare;
  while (sustained < closed.perSecond && (await keepsUp(sustained * factor))) sustained *= factor;
  return sustained;
}
