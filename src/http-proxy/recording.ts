/**
 * Takes the body of an answer: keeps it to be stored, while it is not too long, and hands it on to the client that has asked. While it
 * is kept it is read as fast as it comes, whatever the client takes: others wait for it.
 */
import type { Readable } from "node:stream";
import type { Boundary } from "../common/boundary.ts";
import type { ByteBudget } from "../common/byte-budget.ts";

/** A client to which a body is handed on as it comes. */
export interface BodySink {
  readonly isGone: boolean;
  /** False: it wants no more until it drains. */
  write(chunk: Buffer): boolean;
  end(): void;
  /** The body breaks off. */
  fail(): void;
  onDrain(resume: () => void): void;
  onGone(stop: () => void): void;
}

/** "broken": it broke off. For the other reasons it is not kept, and handed on. */
export type Recorded = Buffer | "broken" | GivenUp;

type GivenUp = "too_long" | "too_slow" | "no_room";

export interface RecordingDeps {
  readonly maxBytes: number;
  /** Bytes that all recordings of a proxy may hold at a time. */
  readonly budget: ByteBudget;
  readonly boundary: Boundary;
  /** Aborted when nobody waits for it any more. */
  readonly signal: AbortSignal;
}

/** Resolves when it is known whether the body is kept: at its end, or as soon as it is too long or takes too long. */
export function record(
  body: Readable,
  sink: BodySink | undefined,
  { maxBytes, budget, boundary, signal }: RecordingDeps,
): Promise<Recorded> {
  boundary.contain(body);
  return new Promise((resolve) => {
    let chunks: Buffer[] | undefined = [];
    let size = 0;
    const settle = (recorded: Recorded) => {
      if (chunks !== undefined) budget.give(size);
      chunks = undefined;
      resolve(recorded);
    };
    const giveUp = (why: GivenUp) => {
      if (chunks === undefined) return;
      settle(why);
      if (sink === undefined || sink.isGone) body.destroy();
    };
    const tooSlow = boundary.guard(body, () => giveUp("too_slow"));
    signal.addEventListener("abort", tooSlow, { once: true });
    sink?.onDrain(() => body.resume());
    sink?.onGone(() => {
      if (chunks === undefined) body.destroy();
    });
    body.on("data", (chunk: Buffer) => {
      const wantsMore = sink?.write(chunk) ?? true;
      if (chunks !== undefined) {
        if (size + chunk.length > maxBytes) giveUp("too_long");
        else if (!budget.take(chunk.length)) giveUp("no_room");
        else {
          size += chunk.length;
          chunks.push(chunk);
        }
      }
      if (chunks === undefined && !wantsMore) body.pause();
    });
    body.on("end", () => {
      sink?.end();
      if (chunks !== undefined) settle(Buffer.concat(chunks, size));
    });
    body.on("close", () => {
      if (!body.readableEnded) sink?.fail();
      settle("broken");
    });
  });
}

/** Hands a body on that is not kept. */
export function handOn(body: Readable, sink: BodySink, boundary: Boundary): void {
  boundary.contain(body);
  sink.onDrain(() => body.resume());
  sink.onGone(() => body.destroy());
  body.on("data", (chunk: Buffer) => {
    if (!sink.write(chunk)) body.pause();
  });
  body.on("end", () => sink.end());
  body.on("close", () => {
    if (!body.readableEnded) sink.fail();
  });
}
