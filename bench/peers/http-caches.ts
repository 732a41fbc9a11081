/** nginx and Varnish as caches before an origin: each with one thread that works, and ending with the run. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { untilListening } from "../../test/http-proxy/suite/ports.ts";
import { freePort } from "../../test/support/free-port.ts";
import { LOOPBACK } from "../process/loopback.ts";

export type HttpCacheName = "nginx" | "varnish";

export interface HttpCache extends AsyncDisposable {
  /** Of the process that was started; others may be its children. */
  readonly pid: number;
  readonly port: number;
}

interface Place {
  readonly port: number;
  readonly originPort: number;
  readonly folder: string;
}

interface Kind {
  readonly program: string;
  readonly file: string;
  configuration(place: Place): string;
  flags(place: Place): string[];
}

const MANY_REQUESTS = 1_000_000_000;
const isRoot = process.getuid?.() === 0;

const KINDS: Readonly<Record<HttpCacheName, Kind>> = {
  nginx: {
    program: "nginx",
    file: "nginx.conf",
    configuration: ({ port, originPort, folder }) => `
      ${isRoot ? "user root;" : ""}
      daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
      events { worker_connections 16384; }
      http {
        access_log off; sendfile on; tcp_nopush on; open_file_cache max=1000;
        keepalive_requests ${MANY_REQUESTS};
        client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/temp; fastcgi_temp_path ${folder}/f;
        uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
        proxy_cache_path ${folder}/cache levels=1:2 keys_zone=all:8m inactive=600m;
        server {
          listen ${LOOPBACK}:${port} backlog=4096;
          location / { proxy_pass http://${LOOPBACK}:${originPort}; proxy_cache all; }
        }
      }`,
    flags: ({ folder }) => ["-c", `${folder}/nginx.conf`, "-p", folder, "-e", "stderr"],
  },
  varnish: {
    program: "varnishd",
    file: "default.vcl",
    configuration: ({ originPort }) =>
      `vcl 4.1; backend default { .host = "${LOOPBACK}"; .port = "${originPort}"; }`,
    flags: ({ port, folder }) => [
      ...["-F", "-a", `${LOOPBACK}:${port}`, "-f", `${folder}/default.vcl`, "-n", `${folder}/work`],
      ...["-s", "malloc,256m"],
    ],
  },
};

export async function startHttpCache(name: HttpCacheName, originPort: number): Promise<HttpCache> {
  const { program, file, configuration, flags } = KINDS[name];
  const folder = mkdtempSync(join(tmpdir(), "meshcache-bench-"));
  // Some give up the rights that they begin with.
  chmodSync(folder, 0o777);
  mkdirSync(join(folder, "cache"));
  const place = { port: await freePort(), originPort, folder };
  writeFileSync(join(folder, file), configuration(place));
  const child = spawn(program, flags(place), { stdio: "ignore" });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  const stop = async (): Promise<void> => {
    process.removeListener("exit", kill);
    await end(child);
    rmSync(folder, { recursive: true, force: true });
  };
  const failed = once(child, "error").then(([error]) => Promise.reject(error));
  try {
    await Promise.race([untilListening(place.port), failed]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid ?? 0, port: place.port, [Symbol.asyncDispose]: stop };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}
