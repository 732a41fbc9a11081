/** Barriers: callers that wait until every event from before their call has been applied. */
import type { ExchangeStream } from "./exchange-stream.ts";

export class Barriers {
  readonly #waiting = new Set<() => void>();
  readonly #primary: () => ExchangeStream | undefined;

  /** `primary`: the stream whose events count, if there is one. */
  constructor(primary: () => ExchangeStream | undefined) {
    this.#primary = primary;
  }

  /**
   * Calls `passed` once a ping that is sent from now on has been answered by the primary stream. Each primary stream is
   * asked in turn, in `ask`, until one answers. Returns what cancels the wait.
   */
  add(passed: () => void): () => void {
    const once = () => {
      if (this.#waiting.delete(once)) passed();
    };
    this.#waiting.add(once);
    const stream = this.#primary();
    if (stream !== undefined) this.#ping(stream, once);
    return () => this.#waiting.delete(once);
  }

  /** A stream became the primary: it is asked for all that wait. */
  ask(stream: ExchangeStream): void {
    for (const passed of this.#waiting) this.#ping(stream, passed);
  }

  /** The answer of a stream that was replaced proves nothing about the events of the new one, which is asked itself. */
  #ping(stream: ExchangeStream, passed: () => void): void {
    stream.ping(() => {
      if (stream === this.#primary()) passed();
    });
  }
}
