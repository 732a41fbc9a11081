/**
 * The services of the compose file as processes: each with the command, the variables and the files that the file gives it. The
 * hosts and the folders that they name must be those of this process: see `proof-compose.ts`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { parseDurationMs } from "../../src/cli/settings/quantity.ts";

const FOLDER = "deploy/compose";

interface ServiceFile {
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly stop_grace_period?: string;
}

const file: { readonly services: Readonly<Record<string, ServiceFile>> } = parse(
  readFileSync(join(FOLDER, "compose.yaml"), "utf8"),
);

export const serviceNames: readonly string[] = Object.keys(file.services);

/** Puts the files and the volumes of the services where they expect them, below these folders. */
export function placeVolumes(below: readonly string[]): void {
  for (const { volumes = [] } of Object.values(file.services)) {
    for (const volume of volumes) {
      const [source = "", target = ""] = volume.split(":");
      // What is elsewhere is the working folder of its image.
      if (!below.some((folder) => target.startsWith(`${folder}/`))) continue;
      mkdirSync(dirname(target), { recursive: true });
      if (source.startsWith(".")) symlinkSync(resolve(FOLDER, source), target);
      else mkdirSync(target);
    }
  }
}

/** What the image gives a service beside what the compose file says. */
export interface ImageParts {
  /** Program and arguments of its entry point. */
  readonly program: readonly [string, ...string[]];
  readonly workingFolder?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export class Service {
  readonly #name: string;
  readonly #image: ImageParts;
  #child: ChildProcess | undefined;
  #output = "";

  constructor(name: string, image: ImageParts) {
    this.#name = name;
    this.#image = image;
  }

  /** All that it has written. */
  get output(): string {
    return this.#output;
  }

  start(): void {
    const { command = [], environment } = this.#file;
    const [program, ...parameters] = this.#image.program;
    const child = spawn(isAbsolute(program) ? program : resolve(program), [...parameters, ...command], {
      cwd: this.#image.workingFolder,
      env: { ...this.#image.environment, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
      });
    }
    this.#child = child;
  }

  /** As the engine does: SIGTERM, and SIGKILL after the time that the file gives it. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const graceMs = parseDurationMs(this.#file.stop_grace_period ?? "10s") ?? Number.NaN;
    const exit = once(child, "exit");
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), graceMs);
    await exit;
    clearTimeout(late);
    if (signal === "SIGTERM" && child.signalCode === "SIGKILL")
      throw new Error(`${this.#name} did not stop within ${graceMs} ms\n${this.#output}`);
  }

  /** Resolves once the condition holds. Throws when the service has ended, or after a while. */
  async until(what: string, holds: () => boolean | Promise<boolean>, maxMs = 30_000): Promise<void> {
    for (const endMs = performance.now() + maxMs; performance.now() < endMs; await sleep(50)) {
      if (this.#child !== undefined && this.#child.exitCode !== null)
        throw new Error(`${this.#name} ended\n${this.#output}`);
      if (await holds()) return;
    }
    throw new Error(`${this.#name}: not ${what} within ${maxMs} ms\n${this.#output}`);
  }

  get #file(): ServiceFile {
    const found = file.services[this.#name];
    if (found === undefined) throw new Error(`the compose file has no service ${this.#name}`);
    return found;
  }
}

/** The variables that the Dockerfile of the server sets. */
export function dockerfileEnvironment(): Record<string, string> {
  const lines = readFileSync("Dockerfile", "utf8").matchAll(/^ENV (.+)$/gm);
  const pairs = [...lines].flatMap(([, line = ""]) => line.split(" "));
  return Object.fromEntries(pairs.map((pair) => pair.split("=", 2)));
}
