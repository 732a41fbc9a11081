/** What a side can sustain when operations come as they please: the load of which rows take a half. */
import type { Session } from "../session.ts";
import type { RemoteSide } from "./remote-side.ts";

export interface Churn {
  /** Share of the operations that set a key instead of reading one. */
  readonly writeShare: number;
  readonly valueBytes: number;
}

const closedLoopInFlight = 64;
/**
 * A closed loop lets a client pipeline at its best, since answers and the next requests come in bursts; single
 * arrivals cost more each, so the search begins well below its rate.
 */
const firstShare = 1 / 8;
const factor = 1.4;
const keptUpShare = 0.95;
/** The machine may have been busy with something else. */
const tries = 2;

/** Operations a second: the highest rate of a ladder at which the side keeps up with Poisson arrivals. */
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
