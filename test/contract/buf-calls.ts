/** The contract over `buf curl`: a client that nobody here wrote and that learns the schema by reflection. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import {
  create,
  createRegistry,
  type DescMessage,
  type DescMethod,
  fromBinary,
  fromJson,
  type MessageInitShape,
  type MessageShape,
  toJsonString,
} from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { AdminService } from "../../gen/meshcache/v1/admin_pb.ts";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { CacheError } from "../../src/common/errors.ts";
import { testScheme, testTls } from "../support/test-tls.ts";
import type { CacheCalls } from "./cache-calls.ts";

const registry = createRegistry(ErrorInfoSchema);

const HTTP2 =
  testTls === undefined
    ? ["--http2-prior-knowledge"]
    : ["--cacert", testTls.client.ca, "--cert", testTls.client.cert, "--key", testTls.client.key];

/** `addressOf` is asked for each call. */
export function createBufCalls(addressOf: () => string): CacheCalls {
  const { method } = CacheService;

  async function* call<Input extends DescMessage, Output extends DescMessage>(
    { parent, name, input, output }: Pick<DescMethod, "parent" | "name"> & { input: Input; output: Output },
    requests: readonly MessageInitShape<Input>[],
  ): AsyncGenerator<MessageShape<Output>> {
    const body = requests
      .map((request) => toJsonString(input, create(input, request), { registry }))
      .join("\n");
    const child = curl([`${testScheme}://${addressOf()}/${parent.typeName}/${name}`, "-d", "@-"]);
    child.stdin.end(body);
    try {
      for await (const json of jsonObjects(child)) {
        yield fromJson(output, JSON.parse(json), { registry });
      }
    } finally {
      child.kill();
    }
  }

  async function one<Input extends DescMessage, Output extends DescMessage>(
    description: Pick<DescMethod, "parent" | "name"> & { input: Input; output: Output },
    request: MessageInitShape<Input>,
  ): Promise<MessageShape<Output>> {
    for await (const response of call(description, [request])) return response;
    throw new Error("buf curl printed nothing");
  }

  return {
    get: (request) => one(method.get, request),
    set: (request) => one(method.set, request),
    invalidate: (request) => one(method.invalidate, request),
    touch: (request) => one(method.touch, request),
    increment: (request) => one(method.increment, request),
    listKeys: (request) => one(method.listKeys, request),
    lease: (request) => one(method.lease, request),
    batch: (request) => one(method.batch, request),
    stats: () => one(AdminService.method.stats, {}),
    stream: (request) => call(method.stream, [request]),
    async exchange(requests) {
      const responses = [];
      for await (const response of call(method.exchange, requests)) responses.push(response);
      return responses;
    },
  };
}

/** The services that reflection names. */
export async function listMethods(address: string): Promise<string[]> {
  const child = curl([`${testScheme}://${address}`, "--list-methods"]);
  let out = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) out += chunk;
  return out.trim().split("\n");
}

function curl(args: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn("node_modules/.bin/buf", ["curl", "--protocol", "grpc", ...HTTP2, ...args]);
}

/** buf prints objects over many lines, each beginning and ending with a brace of its own. */
async function* jsonObjects(child: ChildProcessWithoutNullStreams): AsyncGenerator<string> {
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  let text = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    text += chunk;
    for (let end = text.indexOf("\n}\n"); end >= 0; end = text.indexOf("\n}\n")) {
      yield text.slice(0, end + 2);
      text = text.slice(end + 3);
    }
    if (text === "{}\n") {
      yield "{}";
      text = "";
    }
  }
  if ((await ended) !== 0) throw toError(complaint);
}

function toError(complaint: string): Error {
  if (!complaint.startsWith("{")) return new Error(complaint);
  const { message, details } = JSON.parse(complaint);
  for (const { type, value } of details ?? []) {
    if (type !== ErrorInfoSchema.typeName) continue;
    const info = fromBinary(ErrorInfoSchema, base64Decode(value));
    if (info.reason === "FIELD_INVALID" || info.reason === "LIMIT_EXCEEDED") {
      return new CacheError(info.reason, message, info.metadata);
    }
  }
  return new Error(complaint);
}
