/** The parent's side of a bench process: starts it, calls it, and makes sure that it ends. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { CallMessage, ReplyMessage } from "./messages.ts";
import type { Handlers } from "./worker.ts";

export interface Child<Api extends Handlers> extends AsyncDisposable {
  readonly pid: number;
  call<Method extends keyof Api & string>(
    method: Method,
    ...input: Parameters<Api[Method]>
  ): Promise<Answer<Api[Method]>>;
  /** The first line of standard output that matches `pattern`. */
  line(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Asks the process to end, and kills it after `stopTimeoutMs`. */
  stop(): Promise<void>;
}

type Answer<Handler extends Handlers[string]> = Awaited<ReturnType<Handler>>;

export interface ChildOptions {
  readonly args?: readonly string[];
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Asks the process to end, when it does not end by itself after its parent has disconnected. */
  readonly stopSignal?: NodeJS.Signals;
}

const STOP_TIMEOUT_MS = 12_000;
const OUTPUT_KEPT_CHARS = 16_384;

/** Starts `file` with this Node. Its standard error is shown only when it fails. */
export function startChild<Api extends Handlers>(file: URL, options: ChildOptions = {}): Child<Api> {
  const child = fork(file, [...(options.args ?? [])], {
    execArgv: [...(options.nodeArgs ?? [])],
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    serialization: "advanced",
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${file.pathname}: could not be started`);
  const output = keepOutput(child);
  const pending = new Map<number, PromiseWithResolvers<unknown>>();
  let lastId = 0;
  let ended: Error | undefined;

  child.on("message", (reply: ReplyMessage) => {
    const waiting = pending.get(reply.id);
    pending.delete(reply.id);
    if ("error" in reply) waiting?.reject(new Error(reply.error));
    else waiting?.resolve(reply.result);
  });
  child.on("exit", (code, signal) => {
    ended = new Error(`${file.pathname} ended (${signal ?? code})\n${output.text()}`);
    for (const waiting of pending.values()) waiting.reject(ended);
    pending.clear();
  });

  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    if (options.stopSignal === undefined) child.disconnect();
    else child.kill(options.stopSignal);
    const force = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await exit;
    clearTimeout(force);
  };

  return {
    pid,
    call<Method extends keyof Api & string>(method: Method, ...input: Parameters<Api[Method]>) {
      const waiting = Promise.withResolvers<unknown>();
      const id = ++lastId;
      if (ended === undefined) {
        pending.set(id, waiting);
        child.send({ id, method, input } satisfies CallMessage);
      } else waiting.reject(ended);
      // Both sides come from the same commit, so a reply has the type of its handler.
      return waiting.promise as Promise<Answer<Api[Method]>>;
    },
    line: (pattern) => output.line(pattern),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface Output {
  text(): string;
  line(pattern: RegExp): Promise<RegExpMatchArray>;
}

function keepOutput(child: ChildProcess): Output {
  let stdout = "";
  let stderr = "";
  let check = (): void => {};
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    stdout = (stdout + chunk).slice(-OUTPUT_KEPT_CHARS);
    check();
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    stderr = (stderr + chunk).slice(-OUTPUT_KEPT_CHARS);
    check();
  });
  return {
    text: () => `${stdout}${stderr}`,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        check = () => {
          const match = `${stdout}\n${stderr}`.match(pattern);
          if (match !== null) resolve(match);
        };
        child.once("exit", () => reject(new Error(`ended before it was ready\n${stdout}${stderr}`)));
        check();
      }),
  };
}
