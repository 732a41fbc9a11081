/** Runs a loader: under a span, with its hard timeout, and until the client is closed. */
import { CacheError } from "../../common/errors.ts";
import type { LoadContext } from "../api/load-result.ts";
import { runWithin } from "../api/timeouts.ts";
import type { NamespaceContext } from "./namespace-context.ts";

export const isLoaderTimeout = (error: unknown): boolean =>
  error instanceof CacheError && error.reason === "LOADER_TIMEOUT";

/** Rejects with LOADER_TIMEOUT, CLOSED, or the error of the loader. Then the signal of the loader is aborted. */
export async function runLoader<Result>(
  {
    clock,
    loads,
    namespace,
    telemetry,
  }: Pick<NamespaceContext<unknown>, "clock" | "loads" | "namespace" | "telemetry">,
  loader: (context: LoadContext) => Result | Promise<Result>,
  hardTimeoutMs: number,
  closing: AbortSignal,
): Promise<Result> {
  const controller = new AbortController();
  const { signal } = controller;
  loads.loads += 1;
  try {
    let returned: { readonly result: Result } | undefined;
    const running = telemetry.load(namespace, async () => {
      returned = { result: await loader({ signal }) };
      return returned;
    });
    // What it has returned counts, also where its callers have closed the client since.
    const outcome = (await runWithin(clock, hardTimeoutMs, running, closing)) ?? returned;
    if (outcome !== undefined) return outcome.result;
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
