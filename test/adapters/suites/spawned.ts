/** Programs of this folder, each in a process of its own. They import the packages, which are the sources of this repository. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const PRELOAD = new URL("../../documents/resolve-packages.ts", import.meta.url).pathname;

export interface Spawned extends AsyncDisposable {
  /** The first line that the program has printed. */
  readonly line: string;
  /** The exit code and the signal, when the process has ended. */
  readonly ended: Promise<unknown[]>;
  /** Gives the program a line, and resolves with the next one that it prints. */
  tell(line: string): Promise<string>;
  /** The next line that it prints. */
  next(): Promise<string>;
}

/** An application of apps/, once it has printed a line. `address`: of the cache, or redis://HOST:PORT. */
export function spawnApp(name: string, address: string, ...args: readonly string[]): Promise<Spawned> {
  return spawnProgram(`apps/${name}.ts`, address, ...args);
}

export async function spawnProgram(
  program: string,
  address: string,
  ...args: readonly string[]
): Promise<Spawned> {
  const file = new URL(program, import.meta.url).pathname;
  const child = spawn(process.execPath, ["--import", PRELOAD, file, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    env: {
      ...process.env,
      MESHCACHE_ADDRESS: address,
      REDIS_URL: address,
      REDIS_PORT: address.split(":").at(-1),
    },
  });
  const ended = once(child, "exit");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${program} has ended`);
    return value;
  };
  return {
    line: await next(),
    ended,
    next,
    tell(line) {
      child.stdin.write(`${line}\n`);
      return next();
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}
