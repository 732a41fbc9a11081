/** The function library in one process of the engine: the real text, compiled. Its variables are the memory of the process. */
import type { Command, EngineReply } from "./keyspace.ts";
import { Status } from "./keyspace.ts";
import { compileLua } from "./lua/compiler.ts";
import { LuaError, luaGlobals, Table, tableOf } from "./lua/runtime.ts";
import { ErrorReply } from "./resp.ts";

/** What a function does to the data of its node. */
export type RunCommand = (command: Command) => EngineReply;

interface LibraryFunction {
  readonly callback: (keys: Table, args: Table) => unknown;
  readonly isRead: boolean;
  readonly allowsOom: boolean;
}

export class LibraryProcess {
  readonly text: string;
  readonly #functions = new Map<string, LibraryFunction>();
  readonly #run: RunCommand;

  constructor(text: string, run: RunCommand) {
    this.text = text;
    this.#run = run;
    compileLua(text)({ ...luaGlobals, redis: this.#redis() });
  }

  isRead(name: string): boolean | undefined {
    return this.#functions.get(name)?.isRead;
  }

  /** It runs on a node without memory. */
  allowsOom(name: string): boolean {
    const called = this.#functions.get(name);
    return called !== undefined && (called.isRead || called.allowsOom);
  }

  /** Throws ErrorReply. */
  call(name: string, keys: readonly string[], args: readonly string[]): EngineReply {
    const called = this.#functions.get(name);
    if (called === undefined) throw new ErrorReply("ERR Function not found");
    try {
      return toReply(called.callback(tableOf(keys), tableOf(args)));
    } catch (error) {
      if (error instanceof LuaError) throw new ErrorReply(`ERR ${String(error.value)}`);
      throw error;
    }
  }

  #redis(): Table {
    const functions = {
      call: (...command: unknown[]) => toLua(this.#run(command.map(String))),
      error_reply: (text: string) => tableOf([], [["err", text]]),
      register_function: (first: unknown, callback: unknown) => this.#register(first, callback),
    };
    return tableOf([], Object.entries(functions));
  }

  #register(first: unknown, callback: unknown): void {
    if (!(first instanceof Table)) {
      this.#functions.set(String(first), {
        callback: callback as LibraryFunction["callback"],
        isRead: false,
        allowsOom: false,
      });
      return;
    }
    const flags = first.get("flags");
    const isFlagged = (flag: string): boolean => flags instanceof Table && flags.list.includes(flag);
    this.#functions.set(String(first.get("function_name")), {
      callback: first.get("callback") as LibraryFunction["callback"],
      isRead: isFlagged("no-writes"),
      allowsOom: isFlagged("allow-oom"),
    });
  }
}

function toLua(reply: EngineReply): unknown {
  if (reply === null) return false;
  if (reply instanceof Status) return tableOf([], [["ok", reply.text]]);
  if (typeof reply === "object") return tableOf(reply.map(toLua));
  return reply;
}

function toReply(value: unknown): EngineReply {
  if (value instanceof Table) {
    const error = value.get("err");
    if (typeof error === "string") throw new ErrorReply(error);
    return value.list.map(toReply);
  }
  if (typeof value === "number") return Math.trunc(value);
  return typeof value === "string" ? value : null;
}
