/**
 * Runs the parts of deploy/compose/compose.yaml as processes, without a container engine: `npm run proof:compose`. The server, a
 * real Collector and a real Prometheus get the commands, the variables and the files of the compose file. Fails when a panel of
 * a dashboard has no data under traffic, when the console has none, when the hit ratio is not the same after a restart, or when
 * an alert fires. Grafana is not run: its files are read as it reads them.
 *
 * `--server FILE` starts this executable instead of the sources. `--kill` ends the server by SIGKILL: then it must fail.
 * OTELCOL_BIN and PROMETHEUS_BIN name programs; otherwise they are built, which needs Go. Needs Linux, with namespaces.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const built = (script: string): string =>
  execFileSync("sh", [`scripts/${script}`], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
const collector = process.env.OTELCOL_BIN ?? built("build-otelcol.sh");
const prometheus = process.env.PROMETHEUS_BIN ?? join(built("build-prometheus.sh"), "prometheus");

/**
 * In namespaces of its own the services have the ports and the folders that the compose file names, whatever else runs here.
 * What they write into /etc and /var/lib is only there.
 */
const SCRIPT = `
ip link set lo up
mount -t tmpfs tmpfs "$1"
for folder in /etc /var/lib; do
  mkdir -p "$1$folder/upper" "$1$folder/work"
  mount -t overlay overlay -o "lowerdir=$folder,upperdir=$1$folder/upper,workdir=$1$folder/work" "$folder"
done
shift
exec "$@"`;

const folder = mkdtempSync(join(tmpdir(), "proof-compose-"));
const isRoot = process.getuid?.() === 0;
const { status, error } = spawnSync(
  "unshare",
  [
    ...["--mount", "--net", ...(isRoot ? [] : ["--map-root-user"])],
    ...["sh", "-euc", SCRIPT, "sh", folder, process.execPath, "scripts/compose/check.ts"],
    ...["--collector", collector, "--prometheus", prometheus, ...process.argv.slice(2)],
  ],
  { stdio: "inherit" },
);
rmSync(folder, { recursive: true });
if (error !== undefined) throw error;
process.exitCode = status ?? 1;
