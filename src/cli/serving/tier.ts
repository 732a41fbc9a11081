/** Opens the shared tier as the settings say, and waits for its engine. */
import { setImmediate } from "node:timers";
import { createBoundary } from "../../common/boundary.ts";
import { systemClock } from "../../common/clock.ts";
import { fieldInvalid } from "../../common/errors.ts";
import { systemRng } from "../../common/random.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import { parseTierAddress, TIER_ADDRESS_FORM } from "../../tier/options.ts";
import { TierStore } from "../../tier/tier-store.ts";
import { CliError, EXIT } from "../output/exit-codes.ts";
import type { Settings } from "../settings/settings.ts";
import { engineSecurity } from "./engine-security.ts";

/** Throws a CliError for a file that cannot be read. Reaches for the engine when it is started. */
export function openTier(settings: Settings, telemetry: Telemetry): TierStore {
  const seeds = parseTierAddress(settings.tier);
  if (seeds === undefined) throw fieldInvalid("tier", TIER_ADDRESS_FORM);
  const boundary = createBoundary((error) => {
    telemetry.logger.error({ err: error }, "a callback of the tier failed");
  });
  return new TierStore({
    seeds,
    security: engineSecurity(settings),
    clock: systemClock,
    rng: systemRng,
    telemetry,
    boundary,
    defer: (run) => {
      setImmediate(boundary.guard(undefined, run));
    },
    logMaxEvents: settings.logMaxEvents,
    logMaxBytes: settings.logMaxBytes,
    operationMaxMs: settings.tierOperationMaxMs,
  });
}

/** True when the engine can be used; false when the server was told to end before. Throws a CliError as `tierStart` says. */
export async function tierIsReady(
  tier: TierStore,
  { tierStart, tierOperationMaxMs }: Settings,
  interrupted: AbortSignal,
): Promise<boolean> {
  const late = AbortSignal.any([
    interrupted,
    ...(tierStart === "exit" ? [AbortSignal.timeout(tierOperationMaxMs)] : []),
  ]);
  if (await tier.start(late)) return true;
  if (interrupted.aborted) return false;
  const problem = tier.problem() ?? "it is too slow";
  throw new CliError(EXIT.unavailable, "UNAVAILABLE", `the tier cannot be used: ${problem}`);
}
