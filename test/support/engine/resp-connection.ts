/** A connection to an engine for tests: commands in their order, and no more. The product has its own. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { EngineError, type Reply, ReplyReader } from "./resp-replies.ts";

export type Argument = string | number | Uint8Array;

export class RespConnection implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #replies = new ReplyReader();
  readonly #waiting: ((reply: Reply) => void)[] = [];
  #ended = false;
  /** Called with each message of a channel that the connection has subscribed to by SSUBSCRIBE. */
  published: (message: Buffer) => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      for (const reply of this.#replies.push(chunk)) {
        if (isMessage(reply)) this.published(reply[2]);
        else this.#waiting.shift()?.(reply);
      }
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#ended = true;
      for (const settle of this.#waiting.splice(0))
        settle(new EngineError("CLOSED the connection has ended"));
    });
  }

  /** What the engine answers, errors too. */
  send(...command: readonly Argument[]): Promise<Reply> {
    if (this.#ended) return Promise.resolve(new EngineError("CLOSED the connection has ended"));
    const parts: Uint8Array[] = [Buffer.from(`*${command.length}\r\n`)];
    for (const argument of command) {
      const bytes = argument instanceof Uint8Array ? argument : Buffer.from(String(argument));
      parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
    }
    this.#socket.write(Buffer.concat(parts));
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** As `send`; throws the error that the engine answers with. */
  async call(...command: readonly Argument[]): Promise<Reply> {
    const reply = await this.send(...command);
    if (reply instanceof EngineError) throw reply;
    return reply;
  }

  /** As `call`, of an answer that is text. */
  async text(...command: readonly Argument[]): Promise<string> {
    return String(await this.call(...command));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    const closed = once(this.#socket, "close");
    this.#socket.destroy();
    await closed;
  }
}

export async function connectTo(port: number, host = "127.0.0.1"): Promise<RespConnection> {
  const socket = connect(port, host);
  await once(socket, "connect");
  return new RespConnection(socket);
}

function isMessage(reply: Reply): reply is readonly [Buffer, Buffer, Buffer] {
  return Array.isArray(reply) && String(reply[0]) === "smessage" && reply[2] instanceof Buffer;
}
