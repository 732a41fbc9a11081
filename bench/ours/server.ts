/** meshcache as its command starts it, with limits and metrics. One trace in a hundred is sampled and exported. */

import { SERVER_V8_FLAGS } from "../../src/cli/v8-flags.ts";
import { freePort } from "../../test/support/free-port.ts";
import type { Child } from "../process/child.ts";
import { LOOPBACK } from "../process/loopback.ts";
import type { Observer } from "../process/observer.ts";
import type { PolicyFiles } from "../process/policy-files.ts";
import type { ServerFiles } from "../process/tls-files.ts";
import type { Session } from "../session.ts";
import { startTelemetrySink } from "./telemetry-sink.ts";

export interface MeshcacheServer extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  readonly observer: Child<Observer>;
}

const ownProgram = new URL("../../src/cli/main.ts", import.meta.url);
const observerFile = new URL("../process/observer.ts", import.meta.url);
const SAMPLED_SHARE = "0.01";

export async function startMeshcacheServer(
  session: Session,
  options: {
    readonly budgetBytes: number;
    readonly tls?: ServerFiles | undefined;
    readonly policy?: PolicyFiles | undefined;
    /** `valkey://HOST:PORT` of an engine that has the entries. Undefined: the server has them. */
    readonly tier?: string | undefined;
    /** Default: the command of this checkout. */
    readonly program?: URL | undefined;
  },
): Promise<MeshcacheServer> {
  await using undo = new AsyncDisposableStack();
  const sink = undo.use(await startTelemetrySink());
  const port = await freePort();
  const server = undo.use(
    session.start<Observer>("server", options.program ?? ownProgram, {
      // One thread, as for every peer.
      args: [
        ...["serve", "--workers", "1"],
        ...(options.tls === undefined ? [] : ["--tls-cert", options.tls.cert, "--tls-key", options.tls.key]),
        ...(options.policy === undefined
          ? []
          : ["--tokens", options.policy.tokens, "--policy", options.policy.policy]),
        ...(options.tier === undefined ? [] : ["--tier", options.tier]),
      ],
      nodeArgs: [...SERVER_V8_FLAGS, "--import", observerFile.href],
      env: {
        MESHCACHE_LISTEN: `${LOOPBACK}:${port}`,
        MESHCACHE_ADMIN: `${LOOPBACK}:0`,
        MESHCACHE_STORE_BUDGET_BYTES: `${options.budgetBytes}`,
        OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
        OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG: SAMPLED_SHARE,
      },
      stopSignal: "SIGTERM",
    }),
  );
  await server.line(new RegExp(`${LOOPBACK.replaceAll(".", "\\.")}:${port}`));
  const kept = undo.move();
  return { pid: server.pid, port, observer: server, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
