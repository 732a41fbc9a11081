/** The engine's side of RESP3: commands as they arrive in chunks, and replies. Texts have a character for each byte. */
import { type Command, type EngineReply, Status } from "./keyspace.ts";

/** An error that a command is answered with. Its first word is its kind. */
export class ErrorReply extends Error {
  override readonly name = "ErrorReply";
}

export function encodeReply(reply: EngineReply | ErrorReply): string {
  if (reply === null) return "_\r\n";
  if (typeof reply === "number") return `:${reply}\r\n`;
  if (typeof reply === "string") return `$${reply.length}\r\n${reply}\r\n`;
  if (reply instanceof ErrorReply) return `-${reply.message}\r\n`;
  if (reply instanceof Status) return `+${reply.text}\r\n`;
  return `*${reply.length}\r\n${reply.map(encodeReply).join("")}`;
}

export function encodePush(items: readonly EngineReply[]): string {
  return `>${items.length}\r\n${items.map(encodeReply).join("")}`;
}

/** Reads commands: lists of strings. */
export class CommandReader {
  #text = "";

  take(bytes: string): Command[] {
    this.#text += bytes;
    const commands: Command[] = [];
    let begin = 0;
    for (;;) {
      const read = readCommand(this.#text, begin);
      if (read === undefined) break;
      commands.push(read.command);
      begin = read.end;
    }
    this.#text = this.#text.slice(begin);
    return commands;
  }
}

function readCommand(text: string, begin: number): { command: Command; end: number } | undefined {
  let at = begin;
  const number = (): number | undefined => {
    const end = text.indexOf("\r\n", at);
    if (end < 0) return undefined;
    const value = Number(text.slice(at + 1, end));
    at = end + 2;
    return value;
  };
  const count = number();
  if (count === undefined) return undefined;
  const command: string[] = [];
  for (let index = 0; index < count; index++) {
    const length = number();
    if (length === undefined || at + length + 2 > text.length) return undefined;
    command.push(text.slice(at, at + length));
    at += length + 2;
  }
  return { command, end: at };
}
