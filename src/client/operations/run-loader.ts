/** Runs the loader of one load: under a span, with its hard timeout, and until the client is closed. */
import { CacheError } from "../../common/errors.ts";
import { type Loaded, toLoaded } from "../api/load-result.ts";
import { runWithin } from "../api/timeouts.ts";
import { checkLoaded, type LoadPlan } from "./load-options.ts";
import type { NamespaceContext } from "./namespace-context.ts";

/** Rejects with LOADER_TIMEOUT, CLOSED, or the error of the loader. Then the signal of the loader is aborted. */
export async function runLoader<Value>(
  { clock, loads, namespace, runner, telemetry }: NamespaceContext<Value>,
  { loader, hardTimeoutMs }: LoadPlan<Value>,
  closing: AbortSignal,
): Promise<Loaded<Value>> {
  const controller = new AbortController();
  const { signal } = controller;
  loads.loads += 1;
  try {
    const running = telemetry.load(namespace, async () => loader({ signal }));
    const outcome = await runWithin(clock, hardTimeoutMs, running.then(toLoaded), closing);
    if (outcome !== undefined) return { ...outcome, options: checkLoaded(outcome.options, runner.limits) };
    const bound = String(hardTimeoutMs);
    throw closing.aborted
      ? new CacheError("CLOSED", "the client was closed during the load")
      : new CacheError("LOADER_TIMEOUT", `the loader took longer than ${bound} ms`, {
          limit: "hardTimeoutMs",
          bound,
        });
  } catch (error) {
    loads.loadFailures += 1;
    controller.abort(error);
    throw error;
  }
}
