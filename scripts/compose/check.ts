/**
 * The check itself, in namespaces of its own, where the names of the services are hosts: started by `proof-compose.ts`.
 * Runs the services, sees every panel of the dashboards and the console fill under the traffic of a service, restarts the
 * server, and compares the hit ratio before and after it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { z } from "zod";
import { ask, dataSourceUrl, filledIn, type Panel, panels, rules } from "./prometheus.ts";
import { dockerfileEnvironment, placeVolumes, Service, serviceNames } from "./services.ts";

/** What the hit ratio is computed of: three scrapes. */
const WINDOW_S = 15;
/** How long the line of the hit ratio is looked at after the restart. In the beginning its window has the time before, too. */
const LINE_S = WINDOW_S + 5;
/** What Grafana makes of `$__rate_interval`: four times its usual interval. */
const RATE_INTERVAL = "60s";
const RATIO_MAX_CHANGE = 0.01;
/** That of the Dockerfile. */
const HEALTH_INTERVAL_MS = 10_000;
const WARM_MAX_MS = 180_000;

const { values } = parseArgs({
  options: {
    server: { type: "string" },
    collector: { type: "string", default: "" },
    prometheus: { type: "string", default: "" },
    kill: { type: "boolean", default: false },
  },
});
const folder = mkdtempSync(join(tmpdir(), "compose-"));
const faults: string[] = [];
/** Health checks that succeeded. */
let healthy = 0;
const must = (holds: boolean, what: string): void => {
  if (!holds) faults.push(what);
};
const isUp = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
};

writeFileSync("/etc/hosts", `127.0.0.1 localhost ${serviceNames.join(" ")}\n`);
placeVolumes(["/etc", "/var/lib"]);
mkdirSync(join(folder, "prometheus"));
const serverProgram: [string, ...string[]] =
  values.server === undefined ? [process.execPath, "src/cli/launch.ts"] : [values.server];
const server = new Service("meshcache", {
  program: serverProgram,
  environment: dockerfileEnvironment(),
});
const collector = new Service("collector", { program: [values.collector] });
const prometheus = new Service("prometheus", {
  program: [values.prometheus],
  workingFolder: join(folder, "prometheus"),
});

function startTraffic(): ChildProcess {
  return spawn(process.execPath, ["scripts/compose/traffic.ts"], {
    env: {},
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** Runs the health check of the image as an engine does: it is a unary call. */
function checkHealth(): Disposable {
  const [program = "", ...parameters] = serverProgram;
  const timer = setInterval(() => {
    const child = spawn(program, [...parameters, "stats", "--json"], { stdio: "ignore" });
    child.once("exit", (code) => {
      if (code === 0) healthy += 1;
    });
  }, HEALTH_INTERVAL_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

async function serving(): Promise<void> {
  await server.until("ready", () => isUp("http://meshcache:9464/readyz"));
}

async function emptyQueries(source: string, all: readonly Panel[]): Promise<string[]> {
  const found = await Promise.all(
    all.flatMap(({ dashboard, title, queries }) =>
      queries.map(async (query) =>
        (await ask(source, filledIn(query, RATE_INTERVAL))).every(Number.isNaN)
          ? [`no data: ${dashboard}, ${title}: ${query}`]
          : [],
      ),
    ),
  );
  return found.flat();
}

const History = z.object({
  series: z.array(z.object({ name: z.string(), values: z.array(z.union([z.number(), z.string()])) })),
});

async function checkConsole(): Promise<void> {
  const page = await (await fetch("http://meshcache:9464/console/")).text();
  must(page.includes("<title>meshcache</title>"), "the console is not there");
  const history = await fetch("http://meshcache:9464/meshcache.v1.AdminService/History", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ windowS: 60, pointsMax: 13 }),
  });
  const { series } = History.parse(await history.json());
  const hits = series.find(({ name }) => name === "hits");
  must(
    hits?.values.some((value) => Number(value) > 0) ?? false,
    "the console has no history of the hits from Prometheus",
  );
}

async function run(): Promise<void> {
  for (const service of [collector, prometheus, server]) service.start();
  const source = dataSourceUrl();
  await prometheus.until("ready", () => isUp(`${source}/-/ready`));
  await collector.until("ready", () => collector.output.includes("Everything is ready"));
  await serving();
  const traffic = startTraffic();
  let said = "";
  traffic.stdout?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const trafficEnd = once(traffic, "exit");
  using _ = checkHealth();
  try {
    await server.until("warm", () => said.includes("warm"), WARM_MAX_MS);
    const all = panels();
    const ratio = all.find(({ title, type }) => title === "Hit ratio" && type === "stat")?.queries[0] ?? "";
    const ratioLine = filledIn(ratio, `${WINDOW_S}s`);
    await sleep(1_000 * WINDOW_S);
    const [before = Number.NaN] = await ask(source, ratioLine);
    let empty: string[] = [];
    await prometheus
      .until(
        "asked for all panels with success",
        async () => {
          empty = await emptyQueries(source, all);
          return empty.length === 0;
        },
        10_000,
      )
      .catch(() => faults.push(...empty));
    await checkConsole();

    const beganMs = performance.now();
    await server.stop(values.kill ? "SIGKILL" : "SIGTERM");
    server.start();
    await serving();
    const downMs = performance.now() - beganMs;
    await sleep(1_000 * LINE_S);
    const [lowest = Number.NaN, highest = Number.NaN] = (
      await Promise.all(
        ["min", "max"].map((end) => ask(source, `${end}_over_time((${ratioLine})[${LINE_S}s:1s])`)),
      )
    ).flat();
    const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
    console.log(
      `hit ratio ${percent(before)} before the restart, ${percent(lowest)} to ${percent(highest)} after it; away for ${Math.round(downMs)} ms`,
    );
    must(
      before - lowest <= RATIO_MAX_CHANGE && highest - before <= RATIO_MAX_CHANGE,
      "the hit ratio moved by more than a point",
    );
    const queries = all.flatMap((panel) => panel.queries).length;
    console.log(`${queries} queries of ${all.length} panels, ${empty.length} without data`);
    await checkAlerts(source);
  } finally {
    traffic.kill("SIGTERM");
    await trafficEnd;
  }
  const { reads, stale, gaps } = JSON.parse(said.split("\n").at(-2) ?? "{}");
  console.log(`${reads} reads, ${stale} stale, ${gaps} gaps`);
  must(healthy > 0, "the health check of the image never succeeded");
  must(stale === 0, "a read was stale");
  must(gaps === 0, "a restart in order was a gap");
}

async function checkAlerts(source: string): Promise<void> {
  const all = await rules(source);
  must(all.length > 10, "Prometheus has not the alerts");
  for (const { name, health, state, lastError = "" } of all) {
    must(health === "ok", `${name} is ${health}: ${lastError}`);
    must(state !== "firing", `${name} fires`);
  }
}

try {
  await run();
  await server.stop();
  await collector.until("given spans", () => /"spans": [1-9]/.test(collector.output), 10_000);
} finally {
  for (const service of [server, collector, prometheus]) await service.stop("SIGKILL");
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
