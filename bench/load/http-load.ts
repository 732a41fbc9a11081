/** HTTP/1.1 requests for one URL from h2load, which takes less of a core for a request than any cache. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { percentileOfSorted } from "../statistics.ts";

export interface HttpLoadShape {
  readonly url: string;
  readonly connections: number;
  readonly durationMs: number;
  /** The core that it runs on. */
  readonly core: number;
}

export interface HttpLoadWindow {
  readonly perSecond: number;
}

/** As fast as the answers come. */
export async function runHttpLoad(shape: HttpLoadShape): Promise<HttpLoadWindow> {
  const output = await run(shape, []);
  const rate = output.match(/finished in [^,]+, ([\d.]+) req\/s/)?.[1];
  if (rate === undefined) throw new Error(`h2load: not understood\n${output}`);
  return { perSecond: Number(rate) };
}

export interface HttpLatencyWindow {
  readonly p50Micros: number;
  readonly p99Micros: number;
}

/** `perSecond`: how many are offered. */
export async function runHttpLatency(shape: HttpLoadShape, perSecond: number): Promise<HttpLatencyWindow> {
  const folder = mkdtempSync(join(tmpdir(), "meshcache-bench-"));
  try {
    const log = join(folder, "requests");
    await run(shape, [
      `--rps=${Math.max(1, Math.round(perSecond / shape.connections))}`,
      `--log-file=${log}`,
    ]);
    const micros = readFileSync(log, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => Number(line.split("\t")[2]));
    const sorted = Float64Array.from(micros).sort();
    return { p50Micros: percentileOfSorted(sorted, 50), p99Micros: percentileOfSorted(sorted, 99) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Rejects where a request has failed, or was answered with another status than 2xx. */
function run(
  { url, connections, durationMs, core }: HttpLoadShape,
  flags: readonly string[],
): Promise<string> {
  const args = ["--cpu-list", `${core}`, "h2load", "--h1", "-t", "1", "-c", `${connections}`];
  return new Promise((resolve, reject) => {
    const child = spawn("taskset", [...args, "-D", `${durationMs}ms`, ...flags, url], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        output += chunk;
      });
    child.once("error", reject);
    child.once("close", (code) => {
      const failures = output.match(/(\d+) failed, (\d+) errored, (\d+) timeout/);
      const others = output.match(/status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/);
      const isClean = [failures, others].every((counts) => counts?.slice(1).every((count) => count === "0"));
      if (code === 0 && isClean) resolve(output);
      else reject(new Error(`h2load: ${code} ${failures?.[0] ?? ""} ${others?.[0] ?? output}`));
    });
  });
}
