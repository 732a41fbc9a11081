/**
 * One connection to one node of the engine: commands and their replies in order, and the pushes between them.
 *
 * An own reader instead of node-redis, since one connection carries both: node-redis 6 counts an unsolicited `sunsubscribe`, which
 * a slot that moves away sends, as an answer to the command at the head of its queue, and can so give every later reply to
 * the wrong command.
 */
import type { Boundary } from "../../common/boundary.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { CacheError, limitExceeded } from "../../common/errors.ts";
import type { HostPort } from "../../common/host-port.ts";
import { type Argument, EngineError, encodeCommand, type Reply, ReplyReader } from "./resp3.ts";
import { type EngineSecurity, type EngineSocket, openSocket } from "./socket.ts";

export interface ConnectionOptions {
  readonly endpoint: HostPort;
  readonly security: EngineSecurity;
  readonly clock: Clock;
  readonly boundary: Boundary;
  /** Of the connection and of each reply. */
  readonly replyMaxMs: number;
  readonly commandsMax: number;
  readonly bytesMax: number;
  /** Default: over TCP, or TLS. */
  readonly connect?: typeof openSocket;
}

/** Takes the reply, or why there will be none: an EngineError, or a CacheError that says UNAVAILABLE. */
export type TakeReply = (reply: Reply | Error) => void;

export interface ConnectionListener {
  /** A message of a sharded channel. */
  message(channel: string, payload: Buffer): void;
  /** The node has ended the subscription: the slot of the channel has moved. */
  unsubscribed(channel: string): void;
  /** Called once. All replies were failed before. */
  closed(cause: Error): void;
}

interface Waiting {
  readonly take: TakeReply;
  readonly bytes: number;
  readonly sentMs: number;
  /** It answers with a push, and fails with a reply. */
  readonly isSubscription: boolean;
}

export class EngineConnection {
  readonly endpoint: HostPort;
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #socket: EngineSocket;
  readonly #reader: ReplyReader;
  #waiting: Waiting[] = [];
  /** The index of the next one that is answered: to shift a long list moves all of it. */
  #next = 0;
  #waitingBytes = 0;
  /** Sends what leaves last in this turn. */
  #last: (() => void)[] = [];
  #timer: Timer | undefined;
  #closed: Error | undefined;

  /** Connects and introduces itself. Commands may be sent at once: they follow the introduction. */
  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    const { endpoint, security, boundary, connect: open = openSocket } = options;
    this.endpoint = endpoint;
    this.#options = options;
    this.#listener = listener;
    this.#reader = new ReplyReader({
      reply: (reply) => this.#answer(reply),
      push: (push) => this.#push(push),
    });
    this.#socket = boundary.contain(open(endpoint, security.tls));
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (chunk: Buffer) => this.#take(chunk));
    this.#socket.on("error", (error) => this.close(unavailable("the engine cannot be reached", error)));
    this.#socket.on("close", () => this.close(unavailable("the engine closed the connection")));
    this.#introduce();
    this.#watch();
  }

  /** Commands that have no reply yet. */
  get out(): number {
    return this.#waiting.length - this.#next;
  }

  get isOpen(): boolean {
    return this.#closed === undefined;
  }

  /** Fails with LIMIT_EXCEEDED when too many commands or bytes are out. Writes of one turn leave together. */
  send(args: readonly Argument[], take: TakeReply): void {
    this.#send(args, take, false);
  }

  /** Subscribes to a sharded channel: `take` gets the push that confirms it. */
  subscribe(channel: string, take: TakeReply): void {
    this.#send(["SSUBSCRIBE", channel], take, true);
  }

  /** What `send` sends in it leaves with what is sent in this turn, behind all of it. */
  sendLast(send: () => void): void {
    this.#last.push(send);
    this.#gather();
  }

  #send(args: readonly Argument[], take: TakeReply, isSubscription: boolean): void {
    if (this.#closed !== undefined) {
      take(this.#closed);
      return;
    }
    const { commandsMax, bytesMax, clock } = this.#options;
    const command = encodeCommand(args);
    if (this.out >= commandsMax || this.#waitingBytes + command.bytes > bytesMax) {
      take(limitExceeded("engine_commands", String(commandsMax)));
      return;
    }
    this.#waitingBytes += command.bytes;
    this.#waiting.push({ take, bytes: command.bytes, sentMs: clock.nowMs(), isSubscription });
    this.#write(command.pieces);
  }

  /** Fails what has no reply. Closing again does nothing. */
  close(cause: Error = unavailable("the connection to the engine was closed")): void {
    if (this.#closed !== undefined) return;
    this.#closed = cause;
    this.#timer?.cancel();
    this.#socket.destroy();
    const waiting = this.#waiting.slice(this.#next);
    this.#waiting = [];
    this.#next = 0;
    for (const { take } of waiting) this.#options.boundary.guard(undefined, take)(cause);
    this.#listener.closed(cause);
  }

  #introduce(): void {
    const { user, password } = this.#options.security;
    const login = password === undefined ? [] : ["AUTH", user ?? "default", password()];
    this.send(["HELLO", "3", ...login, "SETNAME", "meshcache"], (reply) => {
      if (!(reply instanceof EngineError)) return;
      this.close(unavailable(`the engine refuses this server: ${reply.code}`, reply));
    });
  }

  #write(pieces: readonly Uint8Array[]): void {
    this.#gather();
    for (const piece of pieces) this.#socket.write(piece);
  }

  #gather(): void {
    if (this.#socket.writableCorked > 0) return;
    this.#socket.cork();
    process.nextTick(
      this.#options.boundary.guard(this.#socket, () => {
        const last = this.#last;
        this.#last = [];
        for (const send of last) send();
        this.#socket.uncork();
      }),
    );
  }

  #take(chunk: Buffer): void {
    try {
      this.#reader.take(chunk);
    } catch (error) {
      this.close(unavailable("the engine sent what is not RESP3", error));
      throw error;
    }
  }

  #push(push: readonly Reply[]): void {
    const [kind, channel, payload] = push;
    if (!Buffer.isBuffer(kind) || !Buffer.isBuffer(channel)) return;
    switch (kind.toString("latin1")) {
      case "smessage":
        if (Buffer.isBuffer(payload)) this.#listener.message(channel.toString(), payload);
        return;
      case "ssubscribe":
        if (this.#waiting[this.#next]?.isSubscription === true) this.#answer(push);
        return;
      case "sunsubscribe":
        this.#listener.unsubscribed(channel.toString());
        return;
    }
  }

  #answer(reply: Reply): void {
    const waiting = this.#waiting[this.#next];
    if (waiting === undefined) throw new Error("a reply to no command");
    this.#next += 1;
    this.#waitingBytes -= waiting.bytes;
    if (this.#next === this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    } else if (this.#next > 1_024 && 2 * this.#next > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    waiting.take(reply);
  }

  /** An engine that does not answer is as good as gone, and TCP says so far too late. */
  #watch(): void {
    const { clock, replyMaxMs, boundary } = this.#options;
    const check = boundary.guard(undefined, () => {
      const oldest = this.#waiting[this.#next];
      if (oldest !== undefined && clock.nowMs() - oldest.sentMs > replyMaxMs) {
        this.close(unavailable("the engine does not answer"));
        return;
      }
      this.#timer = clock.schedule(replyMaxMs / 4, check);
    });
    this.#timer = clock.schedule(replyMaxMs / 4, check);
  }
}

export function unavailable(message: string, cause?: unknown): CacheError {
  return new CacheError("UNAVAILABLE", message, {}, { cause });
}
