/** Row 3: a unary Get on the whole server, telemetry and limits included, over the least grpc-js can do. */
import { create, toBinary } from "@bufbuild/protobuf";
import { CacheService, GetRequestSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { methodPath } from "../../src/wire/service.ts";
import type { Comparison } from "../comparison.ts";
import { keyAt } from "../keyspace.ts";
import { runH2load } from "../load/h2load.ts";
import { namespace } from "../ours/namespace.ts";
import { interleave, ratioRow } from "../pairs.ts";
import type { GrpcEcho } from "../peers/grpc-echo.ts";
import { loopback } from "../process/loopback.ts";
import { targets } from "../targets.ts";
import { openRemoteSide } from "./remote-side.ts";

const echoFile = new URL("../peers/grpc-echo.ts", import.meta.url);
const budgetBytes = 2 ** 30;

export const unaryGet: Comparison = {
  name: "unary-get",
  ids: ["3"],
  title: "unary Get on the whole server over a bare grpc-js echo",
  needs: ["grpc-js", "h2load"],
  steps: (plan) => 3 + 2 * plan.pairs,
  async run(session) {
    const { plan } = session;
    const path = methodPath(CacheService.method.get);
    await using side = await openRemoteSide(session, "meshcache", budgetBytes);
    await using echo = session.start<GrpcEcho>("other", echoFile);
    const echoPort = await echo.call("listen", path);
    session.step("filling");
    await side.load.call("fill", plan.entries, 100, plan.seed);

    const url = { ours: `http://${side.address}${path}`, peer: `http://${loopback}:${echoPort}${path}` };
    const requestOf = (round: number): Uint8Array =>
      toBinary(GetRequestSchema, create(GetRequestSchema, { namespace, key: keyAt(round * 7919) }));
    for (const one of [url.ours, url.peer]) {
      session.step("warm-up");
      await runH2load(one, requestOf(0), plan.warmUpMs);
    }
    const pairs = await interleave(session, "unary gets", {
      ours: (round) => runH2load(url.ours, requestOf(round), plan.windowMs),
      peer: (round) => runH2load(url.peer, requestOf(round), plan.windowMs),
    });
    return [
      ratioRow(
        {
          id: "3",
          name: "unary Get on the whole server",
          unit: "calls/s",
          peerName: "bare grpc-js echo",
          target: targets.unaryGet,
          note: "h2load -c 8 -m 32, another key each window; tracing at 1 %, metrics and limits on",
        },
        pairs,
      ),
    ];
  },
};
