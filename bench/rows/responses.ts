/** Rows 17: calls of a gRPC service whose responses are cached by the interceptor of `meshcache/grpc`. */
import type { Comparison, Row } from "../comparison.ts";
import type { ProductsService } from "../load/products-service.ts";
import type { CallsShape, CallsWindow, ResponsesLoad } from "../load/responses-load.ts";
import { startMeshcacheServer } from "../ours/server.ts";
import { interleave, loneRow, type Pair, ratioRow } from "../pairs.ts";
import { LOOPBACK } from "../process/loopback.ts";
import { targets } from "../targets.ts";

const BUDGET_BYTES = 2 ** 29;
const serviceFile = new URL("../load/products-service.ts", import.meta.url);
const loadFile = new URL("../load/responses-load.ts", import.meta.url);
const loadNodeArgs = ["--no-memory-reducer", "--no-parallel-scavenge"];
/** A service that looks something up. */
const SERVICE_MS = 5;

type Shape = Omit<CallsShape, "durationMs">;

export const cachedResponses: Comparison = {
  name: "responses",
  ids: ["17", "17c", "17m"],
  title:
    "cached calls of a gRPC service, compared with the same calls uncached, and with an interceptor that does nothing",
  needs: [],
  steps: (plan) => 1 + 4 * (2 + 2 * plan.pairs),
  async run(session) {
    await using cache = await startMeshcacheServer(session, { budgetBytes: BUDGET_BYTES });
    await using service = session.start<ProductsService>("other", serviceFile);
    await using load = session.start<ResponsesLoad>("client", loadFile, { nodeArgs: loadNodeArgs });
    session.step("filling");
    await load.call("connect", `${LOOPBACK}:${await service.call("listen")}`, `${LOOPBACK}:${cache.port}`);
    const compare = async (
      label: string,
      ours: Shape,
      peer: Shape,
    ): Promise<readonly Pair<CallsWindow>[]> => {
      const run = (shape: Shape, durationMs: number) => load.call("calls", { ...shape, durationMs });
      for (const shape of [ours, peer]) {
        session.step(`${label}: warm-up`);
        await run(shape, session.plan.warmUpMs);
      }
      return interleave(session, label, {
        ours: () => run(ours, session.plan.windowMs),
        peer: () => run(peer, session.plan.windowMs),
      });
    };
    const rows: Row[] = [];
    for (const inFlight of [1, 64]) {
      const pairs = await compare(
        `near hits, ${inFlight} in flight`,
        { way: "cached", inFlight },
        { way: "uncached", inFlight },
      );
      rows.push(hits(inFlight, pairs));
    }
    rows.push(
      aboveEmpty(
        await compare(
          "above an empty interceptor",
          { way: "cached", inFlight: 1 },
          { way: "empty", inFlight: 1 },
        ),
      ),
    );
    await service.call("takes", SERVICE_MS);
    const missed = { inFlight: 1, fresh: true };
    rows.push(misses(await compare("misses", { way: "cached", ...missed }, { way: "uncached", ...missed })));
    return rows;
  },
};

function hits(inFlight: number, pairs: readonly Pair<CallsWindow>[]): Row {
  return ratioRow(
    {
      id: "17",
      name: `calls of a gRPC service from the near cache, ${inFlight} in flight`,
      unit: "calls/s",
      peerName: "the same, uncached",
      ...(inFlight === 1 && { target: targets.cachedCall }),
      note: "responses of about 100 B, the service in a process of its own",
    },
    pairs.map(({ ours, peer }) => ({ ours: ours.perSecond, peer: peer.perSecond })),
  );
}

function aboveEmpty(pairs: readonly Pair<CallsWindow>[]): Row {
  return loneRow(
    {
      id: "17c",
      name: "CPU of a call from the near cache, above an interceptor that only answers",
      unit: "µs",
      judged: "µs",
      target: targets.cachedCallMicros,
      note: "one awaited after the other, in one process",
    },
    pairs.map(({ ours, peer }) => ours.microsOfCpu - peer.microsOfCpu),
  );
}

function misses(pairs: readonly Pair<CallsWindow>[]): Row {
  return ratioRow(
    {
      id: "17m",
      name: `time of a call that misses, of a service that takes ${SERVICE_MS} ms`,
      unit: "ms",
      peerName: "the same, uncached",
      target: targets.missedCall,
      note: "another product each time: a lease, the call, and its response stored",
    },
    pairs.map(({ ours, peer }) => ({ ours: 1_000 / ours.perSecond, peer: 1_000 / peer.perSecond })),
  );
}
