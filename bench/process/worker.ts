/** The child's side of a bench process: answers the calls of its parent over IPC. */
import type { CallMessage, ReplyMessage } from "./messages.ts";

// biome-ignore lint/suspicious/noExplicitAny: a table of handlers with any parameters; `Remote` keeps the types of each
export type Handlers = Record<string, (...input: any[]) => unknown>;

/** Answers calls until the parent disconnects, and then ends the process. No bench process outlives its run. */
export function answerCalls(handlers: Handlers): void {
  process.on("message", (message: CallMessage) => {
    void answer(handlers, message).then((reply) => process.send?.(reply));
  });
  process.on("disconnect", () => process.exit());
}

async function answer(handlers: Handlers, { id, method, input }: CallMessage): Promise<ReplyMessage> {
  try {
    const handler = handlers[method];
    if (handler === undefined) throw new Error(`no such call: ${method}`);
    return { id, result: await handler(...input) };
  } catch (error) {
    return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
