/** Server reflection: the answer to each kind of request, in both versions of the service. */
import { once } from "node:events";
import {
  create,
  createFileRegistry,
  fromBinary,
  type MessageInitShape,
  toJsonString,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  file_grpc_reflection_v1_reflection as fileOfV1,
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import {
  file_grpc_reflection_v1alpha_reflection as fileOfV1alpha,
  ServerReflection as ServerReflectionAlpha,
} from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { encodeMessage } from "../../../src/codec/messages.ts";
import { createDescriptorIndex } from "../../../src/server/services/descriptor-index.ts";
import { createReflectionHandlers } from "../../../src/server/services/reflection.ts";
import { eventually } from "../../support/eventually.ts";
import { answerOf, connectRaw, framed, unframed } from "../../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { serveHandlers } from "../../support/served-handlers.ts";

type Asked = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;

const SERVICES = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
  "meshcache.v1.AdminService",
  "meshcache.v1.CacheService",
];
const v1 = ServerReflection.method.serverReflectionInfo;
const v1alpha = { ...v1, parent: ServerReflectionAlpha };

let running: RunningServer;
beforeAll(async () => {
  running = await startServer();
});
afterAll(() => running.stop());

/** Sends the requests on one stream, each when the one before was answered. */
async function ask(
  method: typeof v1,
  requests: readonly Asked[],
  host = "",
): Promise<ServerReflectionResponse[]> {
  const call = running.client.bidi(method);
  const responses: ServerReflectionResponse[] = [];
  for (const messageRequest of requests) {
    call.write(create(method.input, { host, messageRequest }));
    responses.push(...(await once(call, "data")));
  }
  const ended = once(call, "end");
  call.end();
  await ended;
  return responses;
}

const decoded = ({ messageResponse: { case: kind, value } }: ServerReflectionResponse) => {
  if (kind !== "fileDescriptorResponse") throw new Error(`${kind} has no files`);
  return value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
};
const namesIn = (response: ServerReflectionResponse) => decoded(response).map(({ name }) => name);
const errorIn = ({ messageResponse: { case: kind, value } }: ServerReflectionResponse) =>
  kind === "errorResponse" ? [value.errorCode, value.errorMessage] : kind;

describe.each([
  ["v1", v1],
  ["v1alpha", v1alpha],
])("reflection %s", (_, method) => {
  it("lists the services", async () => {
    const [response] = await ask(method, [{ case: "listServices", value: "*" }]);
    expect(response?.messageResponse).toMatchObject({
      case: "listServicesResponse",
      value: { service: SERVICES.map((name) => ({ name })) },
    });
  });

  it("describes every service with files that are complete", async () => {
    const responses = await ask(
      method,
      SERVICES.map((value) => ({ case: "fileContainingSymbol", value })),
    );
    responses.forEach((response, n) => {
      // Throws when a dependency is missing.
      const registry = createFileRegistry(
        create(FileDescriptorSetSchema, { file: decoded(response).reverse() }),
      );
      expect(registry.getService(SERVICES[n] ?? "")).toBeDefined();
    });
  });

  it("gives files by their names and by what they declare, each with its dependencies", async () => {
    const responses = await ask(method, [
      { case: "fileByFilename", value: "google/rpc/status.proto" },
      { case: "fileContainingSymbol", value: "google.rpc.ErrorInfo.reason" },
      { case: "fileContainingSymbol", value: "meshcache.v1.CacheService.Get" },
    ]);
    expect(responses.map(namesIn)).toMatchObject([
      ["google/rpc/status.proto", "google/protobuf/any.proto"],
      ["google/rpc/error_details.proto", "google/protobuf/duration.proto"],
      { 0: "meshcache/v1/cache.proto" },
    ]);
  });

  it("knows the messages that have no extensions", async () => {
    const [response] = await ask(method, [
      { case: "allExtensionNumbersOfType", value: "meshcache.v1.GetRequest" },
    ]);
    expect(response?.messageResponse).toMatchObject({
      case: "allExtensionNumbersResponse",
      value: { baseTypeName: "meshcache.v1.GetRequest", extensionNumber: [] },
    });
  });

  it("answers NOT_FOUND for what it does not know, and goes on", async () => {
    const responses = await ask(method, [
      { case: "fileByFilename", value: "meshcache/v1/none.proto" },
      { case: "fileContainingSymbol", value: "meshcache.v1.None" },
      {
        case: "fileContainingExtension",
        value: { containingType: "meshcache.v1.Entry", extensionNumber: 7 },
      },
      { case: "allExtensionNumbersOfType", value: "meshcache.v1.CacheService" },
      { case: "listServices", value: "" },
    ]);
    expect(responses.map(errorIn)).toEqual([
      [status.NOT_FOUND, "unknown file"],
      [status.NOT_FOUND, "unknown symbol"],
      [status.NOT_FOUND, "unknown extension"],
      [status.NOT_FOUND, "unknown type"],
      "listServicesResponse",
    ]);
  });

  it("refuses a request that asks for nothing", async () => {
    const [response] = await ask(method, [{ case: undefined }]);
    expect(response && errorIn(response)).toEqual([status.INVALID_ARGUMENT, "the request asks for nothing"]);
  });

  it("repeats the host and the request, unless they are longer than any name", async () => {
    const short: Asked = { case: "fileContainingSymbol", value: "x".repeat(1_000) };
    const [repeated] = await ask(method, [short], "host");
    expect(repeated).toMatchObject({
      validHost: "host",
      originalRequest: { host: "host", messageRequest: short },
    });
    const long = "x".repeat(64 * 1024);
    const notRepeated = [
      ...(await ask(method, [{ case: "fileContainingSymbol", value: long }], "host")),
      ...(await ask(method, [
        { case: "fileContainingExtension", value: { containingType: long, extensionNumber: 1 } },
      ])),
      ...(await ask(method, [{ case: "listServices", value: "*" }], long)),
    ];
    for (const { validHost, originalRequest } of notRepeated) {
      expect([validHost, originalRequest]).toEqual(["", undefined]);
    }
  });
});

describe("reflection", () => {
  it("may serve v1alpha by the messages of v1, which are the same", () => {
    const messagesOf = ({ proto }: typeof fileOfV1) => {
      const text = toJsonString(
        FileDescriptorProtoSchema,
        create(FileDescriptorProtoSchema, { messageType: proto.messageType }),
      );
      return JSON.parse(text.replaceAll(`.${proto.package}.`, "."));
    };
    expect(messagesOf(fileOfV1)).toEqual(messagesOf(fileOfV1alpha));
  });

  it("ends its streams when the server drains", async () => {
    const draining = await startServer({ transport: { drainMaxMs: 200 } });
    const call = draining.client.bidi(v1);
    call.write(create(v1.input, { messageRequest: { case: "listServices", value: "*" } }));
    await once(call, "data");
    const ended = once(call, "error");
    const drained = draining.server.drain();
    expect(await ended).toMatchObject([{ code: status.UNAVAILABLE }]);
    await drained;
    await draining.stop();
  });

  it("reads a request when the client has taken the answer before it, and leaves no stream behind", async () => {
    let queuedBytes = 0;
    let mostBytes = 0;
    const queues = {
      spent: false,
      add(bytes: number) {
        queuedBytes += bytes;
        mostBytes = Math.max(mostBytes, queuedBytes);
      },
    };
    const { address, streams, stop } = await serveHandlers(
      ServerReflection,
      (deps) => createReflectionHandlers({ ...deps, services: SERVICES, index: createDescriptorIndex([]) }),
      { queues },
    );
    const raw = await connectRaw(address, { settings: { initialWindowSize: 0 } });
    const stream = raw.open("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    const request = create(v1.input, { messageRequest: { case: "listServices", value: "*" } });
    stream.end(Buffer.concat(Array(200).fill(framed(encodeMessage(v1.input, request)))));
    // Long enough for as many answers as there are requests.
    for (let n = 0; n < 200; n++) await new Promise((resolve) => raw.session.ping(resolve));
    expect(streams.open.size).toBe(1);
    raw.session.settings({ initialWindowSize: 1 << 20 });
    const { body, grpcStatus } = await answerOf(stream);
    expect(grpcStatus).toBe(status.OK);
    const answers = unframed(body);
    expect(answers).toHaveLength(200);
    expect(mostBytes).toBe(body.length / 200);
    await eventually(() => expect([streams.open.size, queuedBytes]).toEqual([0, 0]));
    raw.close();
    stop();
  });
});
