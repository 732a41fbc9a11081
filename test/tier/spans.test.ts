import { expect, it } from "vitest";
import type { Pending, Settle } from "../../src/store/api/backend.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import type { EngineCall } from "../../src/telemetry/telemetry.ts";
import { describeEngines } from "../support/engine/describe-engines.ts";
import { tierStoreOver } from "../support/tier-server.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const at = { namespace: "n", key: "k" };

function answered<Result>(ask: (settle: Settle<Result>) => Pending): Promise<Result> {
  return new Promise((resolve, reject) => {
    ask((result) => (result instanceof Error ? reject(result) : resolve(result)));
  });
}

describeEngines("the spans of calls to the engine", (engine) => {
  it("are below whoever asks, one for each operation, and end with the answer", async () => {
    const calls: (EngineCall & { readonly parent: string; error?: string })[] = [];
    const store = tierStoreOver(engine.cluster.addresses, {
      telemetry: {
        ...createNoTelemetry(),
        startEngineCall(call, parent) {
          const started: (typeof calls)[number] = { ...call, parent };
          calls.push(started);
          return {
            end(error) {
              started.error = error;
            },
          };
        },
      },
    });
    await store.start();
    const writer = { origin: "", traceparent };
    await answered((settle) => store.touch({ ...at, ttlMs: 1, staleMs: 0, writer }, settle));
    const get = { ...at, ifVersion: 0, ifEpoch: 0n, allowStale: false };
    await answered((settle) => store.get(get, settle, traceparent));
    await answered((settle) => store.get(get, settle));
    const [port] = engine.cluster.nodes.map((node) => node.port);
    const common = { address: "127.0.0.1", port, operations: 1, parent: traceparent, error: "" };
    expect(calls).toEqual([
      { functionName: "mc_run", ...common },
      { functionName: "mc_read", ...common },
    ]);
    expect(store.engine.calls.lost).toBe(0);
    expect(store.engine.calls.answered).toBeGreaterThanOrEqual(3);
    expect(store.engine.epochs).toBe(1);
    store.close();
  });
});
