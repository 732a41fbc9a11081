/** Other caches of this machine before the same origin, each with what it needs to cache at all and nothing more. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { freePort, untilListening } from "./ports.ts";

export interface Peer extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
}

interface PeerKind {
  readonly name: string;
  /** Its program; `variable` names another one. */
  readonly program: string;
  readonly variable: string;
  /** The name of its configuration, and what is in it. */
  readonly file: string;
  config(port: number, originPort: number, folder: string): string;
  flags(file: string, port: number, folder: string): string[];
}

const KINDS: readonly PeerKind[] = [
  {
    name: "nginx",
    program: "nginx",
    variable: "NGINX_BIN",
    file: "nginx.conf",
    config: (port, originPort, folder) => `
      ${process.getuid?.() === 0 ? "user root;" : ""}
      daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr crit; events {}
      http {
        access_log off;
        client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/temp; fastcgi_temp_path ${folder}/f;
        uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
        proxy_cache_path ${folder}/cache levels=1:2 keys_zone=all:8m inactive=600m;
        server {
          listen 127.0.0.1:${port};
          location / { proxy_pass http://127.0.0.1:${originPort}; proxy_cache all; proxy_cache_revalidate on; }
        }
      }`,
    flags: (file, _port, folder) => ["-c", file, "-p", folder, "-e", "stderr"],
  },
  {
    name: "Varnish",
    program: "varnishd",
    variable: "VARNISHD_BIN",
    file: "default.vcl",
    config: (_port, originPort) =>
      `vcl 4.1; backend default { .host = "127.0.0.1"; .port = "${originPort}"; }`,
    flags: (file, port, folder) => ["-F", "-a", `127.0.0.1:${port}`, "-f", file, "-n", join(folder, "work")],
  },
  {
    name: "Squid",
    program: "squid",
    variable: "SQUID_BIN",
    file: "squid.conf",
    config: (port, originPort, folder) => `
http_port 127.0.0.1:${port} accel defaultsite=localhost no-vhost
cache_peer 127.0.0.1 parent ${originPort} 0 no-query no-digest originserver name=origin
cache_peer_access origin allow all
http_access allow all
pid_filename ${folder}/pid
cache_log /dev/null
access_log none
coredump_dir ${folder}
netdb_filename none
pinger_enable off
shutdown_lifetime 1 second
`,
    flags: (file) => ["-N", "-f", file],
  },
];

/** Those that are installed, or are named by a variable, one after the other. */
export async function* startPeers(originPort: number, folder: string): AsyncGenerator<Peer> {
  for (const kind of KINDS) {
    const program = process.env[kind.variable] ?? programOf(kind.program);
    if (program === undefined) console.error(`${kind.name} is not here`);
    else yield await start(kind, program, originPort, join(folder, kind.program));
  }
}

async function start(kind: PeerKind, program: string, originPort: number, folder: string): Promise<Peer> {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const file = join(folder, kind.file);
  writeFileSync(file, kind.config(port, originPort, folder));
  const child = spawn(program, kind.flags(file, port, folder), { stdio: ["ignore", "ignore", "inherit"] });
  const peer = { name: kind.name, port, [Symbol.asyncDispose]: () => end(child) };
  try {
    await untilListening(port);
    return peer;
  } catch (error) {
    await end(child);
    throw error;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, "exit");
}

function programOf(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"];
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
