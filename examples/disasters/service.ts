/** A process of the example, and what it is asked. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Answer, Ask, Said } from "./messages.ts";

type Question = Ask extends infer One ? (One extends Ask ? Omit<One, "id"> : never) : never;

/** The process ended although nobody had ended it. */
export const UNEXPECTED_ENDS: string[] = [];

export class Service {
  readonly #child: ChildProcess;
  readonly #asked = new Map<number, PromiseWithResolvers<Answer>>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #told = new Set<string>();
  #lastId = 0;
  #mayEnd = false;

  constructor(file: string, args: readonly string[], event: (message: string) => void) {
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv: [] });
    this.#child.on("message", (said: Said) => this.#said(said, event));
    this.#child.once("exit", (code, signal) => {
      if (!this.#mayEnd) UNEXPECTED_ENDS.push(`${file} ended with ${code ?? signal}`);
      const gone = new Error("the process is gone");
      this.#ready.reject(gone);
      for (const { reject } of this.#asked.values()) reject(gone);
      this.#asked.clear();
    });
    this.#ready.promise.catch(() => undefined);
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** The client of the cache has told the process of an event of this kind. */
  wasTold(kind: string): boolean {
    return this.#told.has(kind);
  }

  ask(question: Question): Promise<Answer> {
    this.#lastId += 1;
    const asked = Promise.withResolvers<Answer>();
    this.#asked.set(this.#lastId, asked);
    // It may be dead already, and nobody has been told yet.
    const sent = (error: Error | null) => {
      if (error !== null) asked.reject(new Error("the process is gone", { cause: error }));
    };
    this.#child.send({ ...question, id: this.#lastId }, sent);
    return asked.promise;
  }

  /** As the operating system does it: the process is not asked. */
  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(name);
  }

  /** Resolves once it has ended. */
  async end(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    this.#mayEnd = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill(signal);
    await ended;
  }

  #said(said: Said, event: (message: string) => void): void {
    if (said.kind === "ready") this.#ready.resolve();
    else if (said.kind === "event") {
      this.#told.add(said.name);
      event(said.message);
    } else {
      const asked = this.#asked.get(said.id);
      this.#asked.delete(said.id);
      if (said.kind === "answer") asked?.resolve(said.answer);
      else asked?.reject(new Error(said.why));
    }
  }
}
