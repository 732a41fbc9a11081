/** One process of an engine in cluster mode: on free ports of the loopback or of a host of a test network, with its files in a folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.ts";
import { type Engine, engineProgram, INSTALLATION } from "./programs.ts";
import { connectTo, type RespConnection } from "./resp-connection.ts";
import type { TestHost } from "./test-network.ts";

const READY = /Ready to accept connections/;

interface EngineProcessOptions {
  readonly engine: Engine;
  /** Further settings, as in its configuration file: `["appendonly", "yes"]`. */
  readonly settings?: readonly (readonly [name: string, value: string])[];
  /** How long a node is silent until others take it for failed. Default 1,000 ms. */
  readonly nodeTimeoutMs?: number;
  /** Default: the loopback of this machine. */
  readonly host?: TestHost | undefined;
}

export class EngineProcess implements AsyncDisposable {
  readonly address: string;
  readonly port: number;
  readonly busPort: number;
  readonly folder = mkdtempSync(join(tmpdir(), "meshcache-engine-"));
  readonly #command: readonly [program: string, ...args: string[]];
  #child: ChildProcess | undefined;
  readonly #end = (): void => this.kill();

  private constructor(program: string, ports: readonly [number, number], options: EngineProcessOptions) {
    [this.port, this.busPort] = ports;
    const { settings = [], nodeTimeoutMs = 1_000, host } = options;
    this.address = host?.address ?? "127.0.0.1";
    const all: readonly (readonly [string, string])[] = [
      ["port", `${this.port}`],
      ["cluster-port", `${this.busPort}`],
      ["bind", this.address],
      // To others than the loopback; of a network that nobody else is on.
      ["protected-mode", host === undefined ? "yes" : "no"],
      ["cluster-enabled", "yes"],
      ["cluster-node-timeout", `${nodeTimeoutMs}`],
      ["save", ""],
      ["appendonly", "no"],
      ["repl-backlog-ttl", "0"],
      ["repl-diskless-sync-delay", "0"],
      ["dir", this.folder],
      ...settings,
    ];
    const command = [program, ...all.flatMap(([name, value]) => [`--${name}`, value])] as const;
    this.#command = host === undefined ? command : ["ip", "netns", "exec", host.networkNamespace, ...command];
    process.once("exit", this.#end);
  }

  /** Throws an Error when the engine is not installed or does not start. */
  static async start(options: EngineProcessOptions): Promise<EngineProcess> {
    const program = engineProgram(options.engine);
    if (program === undefined)
      throw new Error(`${options.engine} is not installed: ${INSTALLATION[options.engine]}`);
    const started = new EngineProcess(program, [await freePort(), await freePort()], options);
    await started.restart();
    return started;
  }

  /** Starts it once more, after `kill`. */
  async restart(): Promise<void> {
    const [program, ...args] = this.#command;
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
    this.#child = child;
    let log = "";
    await new Promise<void>((resolve, reject) => {
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        log += chunk;
        if (READY.test(log)) resolve();
      });
      child.once("error", reject);
      child.once("exit", () => reject(new Error(`${program} has ended\n${log}`)));
    });
    // A full pipe would block it.
    child.stdout.removeAllListeners("data").resume();
  }

  /** Undefined: it could not be started. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  connect(): Promise<RespConnection> {
    return connectTo(this.port, this.address);
  }

  /** SIGSTOP, SIGCONT. */
  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  async killed(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    this.kill();
    await exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.removeListener("exit", this.#end);
    await this.killed();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
