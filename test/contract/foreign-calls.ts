/** The contract by a program in another language: calls go to its input, and what comes back is on its output. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { AdminService } from "../../gen/meshcache/v1/admin_pb.ts";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { fromStatus } from "../../src/rpc/status.ts";
import { testTls } from "../support/test-tls.ts";
import type { CacheCalls } from "./cache-calls.ts";

/** A line of its output. Messages and statuses are Protobuf in base64. */
interface Answer {
  readonly Id: number;
  readonly Message?: string | null;
  readonly End?: boolean;
  readonly Status?: string | null;
  /** Of a unary call, trailers included. */
  readonly Metadata?: Readonly<Record<string, readonly string[]>> | null;
}

/** What came back of a unary call. */
export interface ForeignAnswer {
  readonly code: number;
  readonly message: string;
  readonly response: Uint8Array | undefined;
  readonly metadata: Readonly<Record<string, readonly string[]>>;
}

type Method<Input extends DescMessage, Output extends DescMessage> = Pick<DescMethod, "parent" | "name"> & {
  readonly input: Input;
  readonly output: Output;
};

export class ForeignClient implements AsyncDisposable {
  readonly calls: CacheCalls;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #taking = new Map<number, (answer: Answer) => void>();
  #lastId = 0;
  #complaint = "";

  /** `command`: the program, and words before the address. */
  constructor(command: string, address: string) {
    const [program = "", ...words] = command.split(" ");
    const { ca = "", cert = "", key = "" } = testTls?.client ?? {};
    const env = {
      ...process.env,
      ...(testTls && { MESHCACHE_TLS_CA: ca, MESHCACHE_TLS_CERT: cert, MESHCACHE_TLS_KEY: key }),
    };
    this.#child = spawn(program, [...words, address], { env });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#complaint += text;
    });
    this.#child.once("close", () => {
      const status = toBinary(
        StatusSchema,
        create(StatusSchema, { code: 13, message: `it ended: ${this.#complaint}` }),
      );
      const end = { End: true, Status: Buffer.from(status).toString("base64") };
      for (const [Id, take] of this.#taking) take({ Id, ...end });
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const answer: Answer = JSON.parse(line);
      this.#taking.get(answer.Id)?.(answer);
    });
    const { method } = CacheService;
    this.calls = {
      get: (request) => this.#one(method.get, request),
      set: (request) => this.#one(method.set, request),
      invalidate: (request) => this.#one(method.invalidate, request),
      touch: (request) => this.#one(method.touch, request),
      increment: (request) => this.#one(method.increment, request),
      listKeys: (request) => this.#one(method.listKeys, request),
      lease: (request) => this.#one(method.lease, request),
      batch: (request) => this.#one(method.batch, request),
      stats: () => this.#one(AdminService.method.stats, {}),
      stream: (request) => this.#call(method.stream, [request]),
      exchange: async (requests) => {
        const responses = [];
        for await (const response of this.#call(method.exchange, requests)) responses.push(response);
        return responses;
      },
    };
  }

  /** A unary call of a method that the program knows: "users.v1.UserService/GetUser". */
  async unary(
    method: string,
    request: Uint8Array,
    metadata: Readonly<Record<string, string>> = {},
  ): Promise<ForeignAnswer> {
    let response: Uint8Array | undefined;
    for await (const answer of this.#answers(method, [request], metadata)) {
      if (answer.End !== true) {
        response = Buffer.from(answer.Message ?? "", "base64");
        continue;
      }
      const { code, message } = fromBinary(StatusSchema, Buffer.from(answer.Status ?? "", "base64"));
      return { code, message, response, metadata: answer.Metadata ?? {} };
    }
    throw new Error("the call has no end");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    this.#child.kill();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "close");
  }

  async #one<Input extends DescMessage, Output extends DescMessage>(
    method: Method<Input, Output>,
    request: MessageInitShape<Input>,
  ): Promise<MessageShape<Output>> {
    for await (const response of this.#call(method, [request])) return response;
    throw new Error("the call ended without an answer");
  }

  async *#call<Input extends DescMessage, Output extends DescMessage>(
    { parent, name, input, output }: Method<Input, Output>,
    requests: readonly MessageInitShape<Input>[],
  ): AsyncGenerator<MessageShape<Output>> {
    const messages = requests.map((request) => toBinary(input, create(input, request)));
    for await (const answer of this.#answers(`${parent.typeName}/${name}`, messages)) {
      if (answer.End === true) {
        if (answer.Status) throw fromStatus(fromBinary(StatusSchema, Buffer.from(answer.Status, "base64")));
        return;
      }
      yield fromBinary(output, Buffer.from(answer.Message ?? "", "base64"));
    }
  }

  /** The last one is the end of the call. */
  async *#answers(
    method: string,
    messages: readonly Uint8Array[],
    metadata: Readonly<Record<string, string>> = {},
  ): AsyncGenerator<Answer> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answers: Answer[] = [];
    let wake = () => {};
    this.#taking.set(id, (answer) => {
      answers.push(answer);
      wake();
    });
    const encoded = messages.map((message) => Buffer.from(message).toString("base64"));
    this.#write({ Id: id, Method: method, Messages: encoded, Metadata: metadata });
    try {
      for (;;) {
        const answer = answers.shift();
        if (answer === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        yield answer;
        if (answer.End === true) return;
      }
    } finally {
      this.#taking.delete(id);
      this.#write({ Id: id, Cancel: true });
    }
  }

  #write(line: object): void {
    this.#child.stdin.write(`${JSON.stringify(line)}\n`);
  }
}
