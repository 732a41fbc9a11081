/**
 * What the compose file says of its parts is true of them. `.ci/deploy` loads the file as Docker Compose does, and `npm run proof:compose`
 * runs its parts.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseDurationMs } from "../../src/cli/settings/quantity.ts";
import { runCommand } from "../support/command-line.ts";

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports: readonly string[];
}

const FOLDER = "deploy/compose";
const files = ["compose.yaml", "collector.yaml", "prometheus.yaml", "grafana.yaml"];
const read = (file: string): string => readFileSync(join(FOLDER, file), "utf8");
const compose: { services: Record<string, Service>; volumes: Record<string, null> } = parse(
  read("compose.yaml"),
);
const { meshcache } = compose.services;
if (meshcache === undefined) throw new Error("the compose file has no meshcache");

/** The settings of the image, which those of the compose file are added to. */
const imageVariables = Object.fromEntries(
  [...readFileSync("Dockerfile", "utf8").matchAll(/\b(MESHCACHE_[A-Z_]+)=(\S+)/g)].map(([, name, value]) => [
    name ?? "",
    value ?? "",
  ]),
);

describe("the compose file", () => {
  it("gives the server options and variables that it has", async () => {
    const [serve, ...flags] = meshcache.command ?? [];
    expect(serve).toBe("serve");
    const env = { ...imageVariables, ...meshcache.environment };
    const { exitCode, stdout, stderr } = await runCommand(["config", "print", "--json", ...flags], { env });
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
    const given = stdout
      .trim()
      .split("\n")
      .map((line): { name: string; source: string } => JSON.parse(line))
      .filter(({ source }) => source !== "default");
    expect(given).toHaveLength(flags.length + Object.keys(imageVariables).length);
    expect(given.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["listen", "admin", "plaintext", "anonymous", "snapshot", "console"]),
    );
    expect((await runCommand(["config", "print", "--plaintexts"], { env })).exitCode).not.toBe(0);
  });

  it("gives it variables of OpenTelemetry that are documented", () => {
    const documented = readFileSync("docs/tracing.md", "utf8");
    const names = Object.keys(meshcache.environment ?? {});
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) expect(documented).toContain(`\`${name}\``);
  });

  it("publishes the ports that the server listens on, on loopback alone", () => {
    const ports = Object.values(compose.services).flatMap(({ ports }) => ports);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:(\d+):\1$/);
    const listened = ["MESHCACHE_LISTEN", "MESHCACHE_ADMIN"].map(
      (name) => imageVariables[name]?.split(":")[1],
    );
    expect(meshcache.ports.map((port) => port.split(":")[2])).toEqual(listened);
  });

  it("mounts files that are there, and volumes that it declares", () => {
    const mounts = Object.values(compose.services).flatMap(({ volumes = [] }) => volumes);
    expect(mounts.length).toBeGreaterThan(5);
    for (const mount of mounts) {
      const [source = "", target, mode] = mount.split(":");
      expect(target).toMatch(/^\//);
      if (source.startsWith(".")) {
        expect(existsSync(join(FOLDER, source)), source).toBe(true);
        expect(mode).toBe("ro");
      } else expect(Object.keys(compose.volumes)).toContain(source);
    }
    expect(mounts.map((mount) => mount.split(":")[1])).toEqual(
      expect.arrayContaining(["/var/lib/meshcache", "/etc/otelcol/config.yaml"]),
    );
  });

  it("has the versions of its images that are built and run here", () => {
    const versionIn = (script: string): string =>
      /^version=(\S+)/m.exec(readFileSync(`scripts/${script}`, "utf8"))?.[1] ?? "";
    expect(compose.services.collector?.image).toMatch(new RegExp(`:${versionIn("build-otelcol.sh")}$`));
    const [, release = "", fix] = versionIn("build-prometheus.sh").split(".");
    const prometheus = `:v${release[0]}.${Number(release.slice(1))}.${fix}`;
    expect(compose.services.prometheus?.image.endsWith(prometheus), prometheus).toBe(true);
  });

  it("names hosts that are its services", () => {
    const hosts = files.flatMap((file) =>
      [...read(file).matchAll(/(?:https?:\/\/|targets: \[")([a-z]\w*):\d+/g)].map(([, host]) => host),
    );
    expect(hosts.length).toBeGreaterThan(3);
    for (const host of hosts) expect(Object.keys(compose.services)).toContain(host);
  });
});

describe("the time to stop in order", () => {
  const limitOf = (value: number) => ({
    cores: 8,
    platform: "linux" as const,
    memoryBytes: { value, path: "/cg/memory.max" },
    cpus: undefined,
  });
  const stopMaxMs = async (argv: readonly string[], machine?: ReturnType<typeof limitOf>): Promise<number> =>
    JSON.parse((await runCommand(["sizing", "--json", ...argv], machine && { machine })).stdout).stopMaxMs;
  const snapshot = ["--snapshot", "/var/lib/meshcache/snapshot"];

  it("is enough in the compose file, for its limit of memory", async () => {
    const { stop_grace_period, mem_limit }: Record<string, string> = parse(read("compose.yaml")).services
      .meshcache;
    expect(mem_limit).toBe("1g");
    const needed = await stopMaxMs(snapshot, limitOf(2 ** 30));
    expect(parseDurationMs(stop_grace_period ?? "")).toBeGreaterThanOrEqual(needed);
  });

  it("is enough in the unit for systemd, for the budget that it names", async () => {
    const unit = readFileSync("deploy/meshcache.service", "utf8");
    const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]);
    const budget = /storeBudgetBytes of (\d+) GiB/.exec(unit)?.[1];
    expect(budget).toBeDefined();
    const needed = await stopMaxMs([...snapshot, "--store-budget-bytes", `${budget}GiB`]);
    expect(seconds * 1_000).toBeGreaterThanOrEqual(needed);
  });
});
