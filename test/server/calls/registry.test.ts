/** The register of open calls: that every waiter learns that none is left. */
import { it } from "vitest";
import type { ListedCall } from "../../../src/server/calls/call-list.ts";
import { createOpenCalls } from "../../../src/server/calls/registry.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

it("emptied() resolves for each of those who wait for it", async () => {
  const calls = createOpenCalls(new ManualClock(), createNoTelemetry(), loudBoundary, {
    ...resolveTransportLimits(),
    receiveMaxBytes: 1_024,
  });
  const call: ListedCall = {
    method: { path: "/s/m", requestStream: false },
    streaming: false,
    stream: { session: undefined, closed: false, close: () => {}, destroy: () => {} },
    deadlineMs: Number.POSITIVE_INFINITY,
    span: undefined,
    session: undefined,
    startedMs: 0,
    halfClosed: true,
    answered: false,
    arrivingSinceMs: undefined,
    memory: undefined,
    principal: undefined,
    heldBytes: 0,
    recount() {},
    sendingSinceMs: undefined,
    older: undefined,
    newer: undefined,
    refuse: () => {},
  };
  calls.register.begin(call, () => undefined);
  const waiting = Promise.all([calls.emptied(), calls.emptied()]);
  calls.register.end(call, 0);
  await waiting;
  await calls.emptied();
  calls.close();
});
