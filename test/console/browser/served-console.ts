/** A server as people start it, from the sources or from the command in CONSOLE_COMMAND, and traffic for it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { json, MeshCache } from "../../../src/index.ts";
import { freeAddress } from "../../support/free-port.ts";

export interface ServedConsole {
  /** HOST:PORT of gRPC. */
  readonly address: string;
  /** Where the page is. */
  readonly console: string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const [program = process.execPath, ...before] = process.env.CONSOLE_COMMAND?.split(" ") ?? [
  process.execPath,
  "src/cli/launch.ts",
];

/** `options`: those of `serve`. */
export async function serveConsole(...options: readonly string[]): Promise<ServedConsole> {
  const at = options.includes("--listen") ? [] : ["--listen", await freeAddress()];
  const admin = options.includes("--admin") ? [] : ["--admin", await freeAddress()];
  const server = spawn(program, [...before, "serve", ...at, ...admin, ...options], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said = await untilSaid(server, /"msg":"serving"/);
  const { listen, admin: page } = JSON.parse(said) as { listen: string; admin: string };
  return {
    address: listen,
    console: `${page}/console/`,
    async stop(signal = "SIGTERM") {
      if (server.exitCode !== null || server.signalCode !== null) return;
      const ended = once(server, "exit");
      server.kill(signal);
      await ended;
    },
  };
}

/** The line of the log that matches. Rejects with all that was said if the server ends before. */
function untilSaid(server: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    server.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const line = text.split("\n").find((one) => pattern.test(one));
      if (line !== undefined) resolve(line);
    });
    server.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${text}`)));
  });
}

/** Work as of a few services, until it is stopped. */
export interface Traffic {
  stop(): Promise<void>;
}

const PAUSE_MS = 20;

/** Reads, loads, writes and invalidations of three services in four namespaces. */
export function startTraffic(address: string): Traffic {
  const caches = ["orders", "catalog", "web"].map((clientId) => new MeshCache({ address, clientId }));
  const names = ["shop", "sessions", "prices", "users"];
  let isOver = false;
  const working = caches.map(async (cache, service) => {
    const spaces = names.map((name) =>
      cache.namespace(name, { codec: json<object>(), ttlMs: 60_000, staleMs: 300_000 }),
    );
    for (let turn = 0; !isOver; turn += 1) {
      // An overloaded server refuses some.
      await Promise.allSettled(
        spaces.map(async (space, index) => {
          const reads = Array.from(
            { length: 8 * (index + 1) },
            (_, read) => (turn * 7 + read * read) % (60 * (index + 1)),
          );
          await Promise.all(
            reads.map((id) =>
              space.getOrLoad(`${names[index]}:${id}`, () => ({ id, name: `item ${id}`, by: service }), {
                tags: [`tenant:${id % 5}`],
              }),
            ),
          );
          if (turn % 11 === 0) await space.invalidate({ keys: [`${names[index]}:${turn % 60}`] });
          if (turn % 53 === 0) await space.invalidate({ tags: [`tenant:${turn % 5}`] });
        }),
      );
      await delay(PAUSE_MS);
    }
    await cache.close();
  });
  return {
    async stop() {
      isOver = true;
      await Promise.all(working);
    },
  };
}

/** About `perSecond` events a second in one namespace: invalidations of keys, which an overloaded server does not refuse. */
export function startEvents(address: string, namespace: string, perSecond: number): Traffic {
  const cache = new MeshCache({ address, clientId: "writer" });
  const space = cache.namespace(namespace);
  let isOver = false;
  const working = (async () => {
    const startedMs = performance.now();
    for (let sent = 0; !isOver; ) {
      const due = Math.min(((performance.now() - startedMs) / 1_000) * perSecond, sent + perSecond / 10);
      const keys = Array.from(
        { length: Math.max(0, Math.floor(due - sent)) },
        (_, index) => `key:${sent + index}`,
      );
      // Where its answer is late, on a busy machine, it is queued, and takes effect later.
      if (keys.length > 0) await space.invalidate({ keys }).catch(() => undefined);
      sent += keys.length;
      await delay(PAUSE_MS);
    }
    await cache.close();
  })();
  return {
    async stop() {
      isOver = true;
      await working;
    },
  };
}

/** `meshcache replay` of a trace, over and over. Resolves with its last output when it is stopped. */
export function startReplay(address: string, trace: string): Traffic {
  let isOver = false;
  let running: ChildProcess | undefined;
  const working = (async () => {
    while (!isOver) {
      running = spawn(program, [...before, "replay", trace, "--client", "--address", address], {
        stdio: "ignore",
      });
      await once(running, "exit");
    }
  })();
  return {
    async stop() {
      isOver = true;
      running?.kill("SIGTERM");
      await working;
    },
  };
}
