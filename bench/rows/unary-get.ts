/** Row 3: a unary Get on the whole server, with telemetry and limits, compared with a minimal grpc-js server. */
import { create, toBinary } from "@bufbuild/protobuf";
import { CacheService, GetRequestSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { methodPath } from "../../src/codec/messages.ts";
import type { Comparison } from "../comparison.ts";
import { keyAt } from "../keyspace.ts";
import { runH2load } from "../load/h2load.ts";
import type { UnaryLoad } from "../load/unary-load.ts";
import { CONNECTIONS, STREAMS_PER_CONNECTION } from "../load/unary-shape.ts";
import { NAMESPACE } from "../ours/namespace.ts";
import { interleave, type Pair, ratioRow } from "../pairs.ts";
import { isPresent } from "../peers/catalog.ts";
import type { GrpcEcho } from "../peers/grpc-echo.ts";
import { LOOPBACK } from "../process/loopback.ts";
import type { Session } from "../session.ts";
import { targets } from "../targets.ts";
import { openRemoteSide } from "./remote-side.ts";

/** The calls per second of one server. Every call has the same message. */
interface UnaryCaller extends AsyncDisposable {
  run(message: Uint8Array, durationMs: number): Promise<number>;
}

const path = methodPath(CacheService.method.get);
const echoFile = new URL("../peers/grpc-echo.ts", import.meta.url);
const loadFile = new URL("../load/unary-load.ts", import.meta.url);
const BUDGET_BYTES = 2 ** 31;
/** Different rounds use distant keys. */
const KEY_STRIDE = 7_919;

async function openCaller(session: Session, address: string): Promise<UnaryCaller> {
  if (isPresent("h2load")) {
    const url = `http://${address}${path}`;
    return {
      run: (message, durationMs) => runH2load(url, message, durationMs),
      async [Symbol.asyncDispose]() {},
    };
  }
  const load = session.start<UnaryLoad>("other", loadFile);
  await load.call("connect", address);
  return {
    run: (message, durationMs) => load.call("run", path, message, durationMs),
    [Symbol.asyncDispose]: () => load.stop(),
  };
}

/** The calls per second of two servers in turns, each round with another key. */
export async function compareUnaryGets(
  session: Session,
  entries: number,
  addresses: Pair<string>,
): Promise<readonly Pair<number>[]> {
  const { plan } = session;
  await using ours = await openCaller(session, addresses.ours);
  await using peer = await openCaller(session, addresses.peer);
  const requestOf = (round: number): Uint8Array => {
    const key = keyAt((round * KEY_STRIDE) % entries);
    return toBinary(GetRequestSchema, create(GetRequestSchema, { namespace: NAMESPACE, key }));
  };
  for (const caller of [ours, peer]) {
    session.step("warm-up");
    await caller.run(requestOf(0), plan.warmUpMs);
  }
  return await interleave(session, "unary gets", {
    ours: (round) => ours.run(requestOf(round), plan.windowMs),
    peer: (round) => peer.run(requestOf(round), plan.windowMs),
  });
}

export const unaryGet: Comparison = {
  name: "unary-get",
  ids: ["3"],
  title: "unary Get on the whole server, compared with a bare grpc-js echo server",
  needs: ["grpc-js"],
  steps: (plan) => 3 + 2 * plan.pairs,
  async run(session) {
    const { plan } = session;
    await using side = await openRemoteSide(session, "meshcache", BUDGET_BYTES);
    await using echo = session.start<GrpcEcho>("other", echoFile);
    const echoAddress = `${LOOPBACK}:${await echo.call("listen", path)}`;
    session.step("filling");
    await side.load.call("fill", plan.entries, 100, plan.seed);

    const pairs = await compareUnaryGets(session, plan.entries, { ours: side.address, peer: echoAddress });
    const fast = isPresent("h2load");
    const caller = fast
      ? "h2load"
      : "not judged, since a grpc-js process is itself the limit (h2load is not here: apt-get install nghttp2-client),";
    return [
      ratioRow(
        {
          id: "3",
          name: "unary Get on the whole server",
          unit: "calls/s",
          peerName: "bare grpc-js echo",
          ...(fast ? { target: targets.unaryGet } : {}),
          note:
            `${caller} with ${CONNECTIONS} connections of ${STREAMS_PER_CONNECTION} streams, another key each window; ` +
            "tracing at 1 %, metrics and limits on",
        },
        pairs,
      ),
    ];
  },
};
