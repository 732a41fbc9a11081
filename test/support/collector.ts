/** A real OpenTelemetry Collector with the configuration of the example, if one is installed. */
import { spawn } from "node:child_process";
import { accessSync, constants, globSync } from "node:fs";
import { delimiter, join } from "node:path";
import { freePort } from "./free-port.ts";

export interface Collector {
  readonly grpcUrl: string;
  readonly httpUrl: string;
  /** What the debug exporter has printed. */
  output(): string;
  /** Resolves once the output contains all of these texts. */
  printed(...texts: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

const PRINT_MAX_MS = 15_000;

/** OTELCOL_BIN, `otelcorecol` on PATH, or what scripts/build-otelcol.sh built. */
export function findCollector(): string | undefined {
  const { OTELCOL_BIN, PATH = "" } = process.env;
  if (OTELCOL_BIN) return OTELCOL_BIN;
  return [
    ...PATH.split(delimiter).map((folder) => join(folder, "otelcorecol")),
    ...globSync(".cache/otelcol/*/otelcorecol"),
  ].find(isExecutable);
}

export async function startCollector(binary: string): Promise<Collector> {
  const [grpc, http] = [await freePort(), await freePort()];
  const child = spawn(binary, ["--config", "examples/otel-collector.yaml"], {
    env: {
      ...process.env,
      OTLP_GRPC_ENDPOINT: `127.0.0.1:${grpc}`,
      OTLP_HTTP_ENDPOINT: `127.0.0.1:${http}`,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let check = (): void => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      check();
    });
  }
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const printed = (...texts: readonly string[]): Promise<void> =>
    new Promise((resolve, reject) => {
      const give = (why: string): void => {
        const missing = texts.filter((text) => !output.includes(text));
        reject(new Error(`${why} without having printed ${missing.join(", ")}:\n${output}`));
      };
      void exited.then(() => give("the collector ended"));
      AbortSignal.timeout(PRINT_MAX_MS).addEventListener("abort", () => give("the collector waited"));
      check = () => {
        if (texts.every((text) => output.includes(text))) resolve();
      };
      check();
    });
  await printed("Everything is ready");
  return {
    grpcUrl: `http://127.0.0.1:${grpc}`,
    httpUrl: `http://127.0.0.1:${http}`,
    output: () => output,
    printed,
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
