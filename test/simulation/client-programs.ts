/** The programs that the clients of a simulation run. What rejects in them, or anywhere else, is a violation. */
import type { ClientLife } from "./client-node.ts";
import type { History } from "./history.ts";
import type { createWorkload } from "./workload.ts";

export class ClientPrograms {
  readonly #count: number;
  readonly #workload: Pick<ReturnType<typeof createWorkload>, "run">;
  readonly #history: History;
  readonly #running = new Map<ClientLife, number>();
  #stopped = false;

  /** `count`: of each life. */
  constructor(count: number, workload: Pick<ReturnType<typeof createWorkload>, "run">, history: History) {
    this.#count = count;
    this.#workload = workload;
    this.#history = history;
  }

  begin(life: ClientLife): void {
    this.#running.set(life, this.#count);
    for (let index = 0; index < this.#count; index += 1) {
      const done = (): unknown => this.#running.set(life, (this.#running.get(life) ?? 1) - 1);
      this.#workload
        .run(life, () => this.#stopped)
        .then(done, (error: unknown) => {
          this.#history.violate("program", textOf(error));
          done();
        });
    }
  }

  /** Each program ends with what it does now. */
  stop(): void {
    this.#stopped = true;
  }

  isBusy(life: ClientLife): boolean {
    return (this.#running.get(life) ?? 0) > 0;
  }

  /** A listener for rejections that nobody handles. */
  readonly rejected = (error: unknown): void => this.#history.violate("unhandled", textOf(error));
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.stack}` : String(error);
}
