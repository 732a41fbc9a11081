/** A server process that keeps its address and its snapshot over restarts. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { SERVER_V8_FLAGS } from "../../src/cli/v8-flags.ts";
import { bundledCommand } from "../../test/support/bundled-command.ts";
import { freePort } from "../../test/support/free-port.ts";

/** A restart: from the signal until the server listens again. */
export interface Outage {
  readonly beganMs: number;
  readonly downMs: number;
}

export class RestartedServer {
  readonly address: string;
  readonly outages: Outage[] = [];
  readonly #command: readonly string[];
  #child: ChildProcess | undefined;

  /** `executable`: what is started instead of the bundled command. */
  static async start(folder: string, name: string, executable: string | undefined): Promise<RestartedServer> {
    const command =
      executable === undefined
        ? [process.execPath, ...SERVER_V8_FLAGS, await bundledCommand()]
        : [executable];
    const server = new RestartedServer(await freePort(), join(folder, name), command);
    await server.#serve();
    return server;
  }

  private constructor(port: number, snapshot: string, command: readonly string[]) {
    this.address = `127.0.0.1:${port}`;
    const argv = ["--listen", this.address, "--admin", "off", "--snapshot", snapshot, "--log-level", "warn"];
    this.#command = [...command, "serve", ...argv];
    process.once("exit", () => this.#child?.kill("SIGKILL"));
  }

  async restart(signal: NodeJS.Signals): Promise<void> {
    const beganMs = performance.now();
    await this.stop(signal);
    await this.#serve();
    this.outages.push({ beganMs, downMs: performance.now() - beganMs });
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const closed = once(child, "exit");
    child.kill(signal);
    await closed;
  }

  async #serve(): Promise<void> {
    const [file = "", ...argv] = this.#command;
    const child = spawn(file, argv, { stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    for await (const chunk of child.stdout) if (String(chunk).includes("listens on")) break;
    child.stdout.resume();
  }
}

export function longestMs(outages: readonly Outage[]): number {
  return Math.round(Math.max(0, ...outages.map(({ downMs }) => downMs)));
}
