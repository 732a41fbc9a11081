/**
 * The service of the Connect conformance tests, as their proto describes it, in terms of JSON: it answers with what a request asks
 * it to answer with, and with what it has seen of the request.
 */
import {
  type DescMessage,
  type DescMethod,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  type FileRegistry,
  fromJson,
  type JsonValue,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { z } from "zod";

const PACKAGE = "connectrpc.conformance.v1";

const headers = z.array(z.object({ name: z.string(), value: z.array(z.string()) })).default([]);
const failure = z.object({
  code: z.string(),
  message: z.string().default(""),
  details: z.array(z.json()).default([]),
});
const definitionSchema = z.object({
  responseHeaders: headers,
  responseTrailers: headers,
  responseDelayMs: z.number().default(0),
  /** One of a unary response, or those of a stream. */
  responseData: z.union([z.string(), z.array(z.string())]).optional(),
  error: failure.optional(),
});
type Definition = z.infer<typeof definitionSchema>;
const NOTHING = definitionSchema.parse({});
const requestSchema = z.looseObject({ responseDefinition: definitionSchema.optional() });

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export class ConformanceService {
  readonly #registry: FileRegistry;
  readonly #service: DescService;

  constructor(registry: FileRegistry) {
    const service = registry.getService(`${PACKAGE}.ConformanceService`);
    if (service === undefined) throw new Error("the proto of the conformance tests has no such service");
    this.#registry = registry;
    this.#service = service;
  }

  /** All but `Unimplemented`, which nobody implements, and `BidiStream`, which HTTP/1.1 cannot carry. */
  addTo(router: ConnectRouter): void {
    for (const method of this.#service.methods) {
      if (method.name === "Unimplemented") continue;
      if (isUnary(method)) {
        router.rpc(method, (request, context) => this.#answer(method, [request], context));
      } else if (isClientStream(method)) {
        router.rpc(method, async (requests, context) => {
          const all: Message[] = [];
          for await (const request of requests) all.push(request);
          return this.#answer(method, all, context);
        });
      } else if (isServerStream(method)) {
        router.rpc(method, (request, context) => this.#stream(method.input, method.output, request, context));
      }
    }
  }

  async #answer(method: DescMethod, requests: readonly Message[], context: HandlerContext): Promise<Message> {
    const definition = this.#definitionOf(method.input, requests[0], context);
    const info = this.#requestInfo(method.input, requests, context);
    await pause(definition.responseDelayMs);
    if (definition.error !== undefined) throw this.#errorOf(definition.error, info);
    const data = typeof definition.responseData === "string" ? { data: definition.responseData } : {};
    return fromJson(method.output, { payload: { ...data, requestInfo: info } }, { registry: this.#registry });
  }

  async *#stream(
    input: DescMessage,
    output: DescMessage,
    request: Message,
    context: HandlerContext,
  ): AsyncGenerator<Message> {
    const definition = this.#definitionOf(input, request, context);
    let info: JsonValue | undefined = this.#requestInfo(input, [request], context);
    for (const data of Array.isArray(definition.responseData) ? definition.responseData : []) {
      await pause(definition.responseDelayMs);
      const payload = info === undefined ? { data } : { data, requestInfo: info };
      info = undefined;
      yield fromJson(output, { payload }, { registry: this.#registry });
    }
    if (definition.error !== undefined) throw this.#errorOf(definition.error, info);
  }

  /** Sets what it says of headers and trailers. */
  #definitionOf(input: DescMessage, request: Message | undefined, context: HandlerContext): Definition {
    if (request === undefined) return NOTHING;
    const json = toJson(input, request, { registry: this.#registry });
    const definition = requestSchema.parse(json).responseDefinition ?? NOTHING;
    for (const { name, value } of definition.responseHeaders) {
      for (const one of value) context.responseHeader.append(name, one);
    }
    for (const { name, value } of definition.responseTrailers) {
      for (const one of value) context.responseTrailer.append(name, one);
    }
    return definition;
  }

  #requestInfo(input: DescMessage, requests: readonly Message[], context: HandlerContext): JsonValue {
    const timeoutMs = context.timeoutMs();
    const query = [...new URL(context.url).searchParams].map(([name, value]) => ({ name, value: [value] }));
    return {
      requestHeaders: [...context.requestHeader].map(([name, value]) => ({ name, value: [value] })),
      ...(timeoutMs !== undefined && { timeoutMs: String(Math.round(timeoutMs)) }),
      requests: requests.map((request) => {
        const json = toJson(input, request, { registry: this.#registry });
        return {
          "@type": `type.googleapis.com/${input.typeName}`,
          ...z.record(z.string(), z.json()).parse(json),
        };
      }),
      ...(query.length > 0 && { connectGetInfo: { queryParams: query } }),
    };
  }

  /** `info`: what the answer would have said of the request; undefined: it was said. */
  #errorOf({ code, message, details }: z.infer<typeof failure>, info: JsonValue | undefined): ConnectError {
    const error = new ConnectError(message, toCode(code));
    const type = `type.googleapis.com/${PACKAGE}.ConformancePayload.RequestInfo`;
    const seen = info === undefined ? [] : [{ "@type": type, ...z.record(z.string(), z.json()).parse(info) }];
    error.details = [...details, ...seen].map((detail) => {
      const { typeUrl, value } = fromJson(AnySchema, detail, { registry: this.#registry });
      return { type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value };
    });
    return error;
  }
}

function isUnary(method: DescMethod): method is DescMethod & DescMethodUnary {
  return method.methodKind === "unary";
}

function isClientStream(method: DescMethod): method is DescMethod & DescMethodClientStreaming {
  return method.methodKind === "client_streaming";
}

function isServerStream(method: DescMethod): method is DescMethod & DescMethodServerStreaming {
  return method.methodKind === "server_streaming";
}

/** "CODE_NOT_FOUND": its number is the same in both. */
function toCode(name: string): Code {
  const own = name
    .replace(/^CODE_/, "")
    .toLowerCase()
    .replaceAll("_", "");
  const found = Object.entries(Code).find(([key]) => key.toLowerCase() === own)?.[1];
  return typeof found === "number" ? found : Code.Unknown;
}
