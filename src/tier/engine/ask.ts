/** A command and its reply, for what is not asked often. */
import type { EngineConnection } from "./connection.ts";
import { type Argument, EngineError, type Reply } from "./resp3.ts";

/** Rejects with an EngineError, or with a CacheError when the connection is gone. */
export function ask(connection: EngineConnection, args: readonly Argument[]): Promise<Reply> {
  return new Promise((resolve, reject) => {
    connection.send(args, (reply) => {
      if (reply instanceof Error) reject(reply);
      else resolve(reply);
    });
  });
}

/** Resolves when the node has confirmed the subscription. Rejects as `ask`. */
export function subscribe(connection: EngineConnection, channel: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    connection.subscribe(channel, (reply) => {
      if (reply instanceof Error) reject(reply);
      else resolve(reply);
    });
  });
}

/** The engine answered with an error of this kind. */
export function isEngineError(error: unknown, code: string): boolean {
  return error instanceof EngineError && error.code === code;
}
