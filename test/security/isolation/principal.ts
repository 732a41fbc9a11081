/**
 * A principal that makes calls of every kind, in its own namespace and where it may not, and keeps all that it is told: the bytes
 * on the wire, the messages, the errors, and what the client of TypeScript and the commands say.
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { inspect } from "node:util";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { credentials, Metadata } from "@grpc/grpc-js";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { AdminService } from "../../../gen/meshcache/v1/admin_pb.ts";
import {
  CacheService,
  ExchangeRequestSchema,
  type ExchangeResponse,
  type InvalidateRequestSchema,
  type OperationSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { json, MeshCache } from "../../../src/index.ts";
import { createServiceClient, type ServiceClient } from "../../../src/rpc/client.ts";
import { runCommand } from "../../support/command-line.ts";

const { method } = CacheService;
const SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

type Invalidation = MessageInitShape<typeof InvalidateRequestSchema>;
type Operation = MessageInitShape<typeof OperationSchema>;

/** Words that occur nowhere else, one for each field that a caller controls. */
export interface Canaries {
  readonly key: string;
  readonly value: string;
  readonly tag: string;
  readonly contentType: string;
  readonly clientId: string;
  readonly token: string;
  readonly header: string;
}

export function canariesOf(word: string): Canaries {
  const of = (what: string) => `${word}${what}`;
  return {
    key: of("schluessel"),
    value: of("wert"),
    tag: of("zettel"),
    contentType: `${of("art")}/x`,
    clientId: of("kunde"),
    token: of("marke"),
    header: of("kopf"),
  };
}

export class TalkingPrincipal implements AsyncDisposable {
  readonly namespace: string;
  readonly canaries: Canaries;
  /** What it was told, as text. */
  readonly heard: string[] = [];
  /** Tokens of its leases. */
  readonly leaseTokens: bigint[] = [];
  readonly #undo = new AsyncDisposableStack();
  readonly #client: ServiceClient;
  readonly #address: string;
  readonly #tokenFile: string;
  readonly #metadata = new Metadata();

  /** Its namespace is its name. `tokenFile`: has its token. */
  static async connect(
    name: string,
    canaries: Canaries,
    address: string,
    tokenFile: string,
  ): Promise<TalkingPrincipal> {
    const wire = await startRecorder(address);
    const principal = new TalkingPrincipal(name, canaries, wire.address, tokenFile);
    principal.#undo.defer(() => wire.close());
    wire.heard = principal.heard;
    return principal;
  }

  private constructor(name: string, canaries: Canaries, address: string, tokenFile: string) {
    this.namespace = name;
    this.canaries = canaries;
    this.#address = address;
    this.#tokenFile = tokenFile;
    this.#client = createServiceClient(address, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    this.#undo.defer(() => this.#client.close());
    this.#metadata.set("authorization", `Bearer ${canaries.token}`);
    this.#metadata.set("meshcache-client-id", canaries.clientId);
    this.#metadata.set("traceparent", SAMPLED);
    this.#metadata.set("x-request-id", canaries.header);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }

  /** Follows the events of its own namespace, by Stream and by Exchange, until it is disposed. */
  async follow(): Promise<void> {
    const options = { metadata: this.#metadata };
    const stream = this.#client.serverStream(method.stream, { namespace: this.namespace }, options);
    this.#undo.defer(() => stream.cancel());
    stream.on("error", () => {});
    stream.on("data", (frame) => this.#hear(frame));
    await new Promise((resolve) => stream.once("data", resolve));
  }

  /** Calls of every kind in its own namespace, with every outcome. */
  async work(): Promise<void> {
    const { namespace } = this;
    const { key, value, tag, contentType } = this.canaries;
    const entry = { namespace, key, value: Buffer.from(value.repeat(40)), tags: [tag], contentType };
    const fresh = `${key}${this.leaseTokens.length}`;
    await this.#unary(method.get, { namespace, key });
    await this.#unary(method.set, {
      ...entry,
      key: fresh,
      condition: { case: "leaseToken", value: await this.#lease(fresh) },
    });
    await this.#unary(method.lease, { namespace, key: `${key}2`, waitMs: 10 });
    await this.#unary(method.lease, { namespace, key: `${key}2` });
    await this.#unary(method.set, { ...entry, requestId: 77n });
    await this.#unary(method.set, { ...entry, condition: { case: "ifAbsent", value: true } });
    await this.#unary(method.get, { namespace, key });
    await this.#unary(method.touch, { namespace, key, ttlMs: 60_000n });
    await this.#unary(method.increment, { namespace, key });
    await this.#unary(method.increment, { namespace, key: `${key}6`, delta: 7n });
    await this.#batch(this.#operationsIn(namespace, key));
    await this.#exchange(namespace, key);
    await this.#unary(method.invalidate, { namespace, target: { case: "tags", value: { tags: [tag] } } });
    await this.#unary(method.set, entry);
    await this.#unary(AdminService.method.stats, { namespacesMax: 1_000 });
    // Refused for what they are.
    await this.#unary(method.get, { namespace: `${key}!`, key });
    await this.#unary(method.get, { namespace, key: key.repeat(99) });
    await this.#unary(method.set, { ...entry, tags: [tag.repeat(99)] });
    await this.#unary(method.set, { ...entry, contentType: `${contentType}\r\n` });
    await this.#stream({ namespace, cursor: Buffer.from(value) });
  }

  /** Calls of every kind in a namespace of somebody else, for a key of theirs that it has heard of. */
  async pry(other: TalkingPrincipal): Promise<void> {
    const { namespace } = other;
    const { key, tag } = other.canaries;
    for (const { operation } of this.#operationsIn(namespace, key)) {
      if (operation?.case === "get") await this.#unary(method.get, operation.value);
      if (operation?.case === "set") await this.#unary(method.set, operation.value);
      if (operation?.case === "touch") await this.#unary(method.touch, operation.value);
      if (operation?.case === "listKeys") await this.#unary(method.listKeys, operation.value);
      if (operation?.case === "increment") await this.#unary(method.increment, operation.value);
      if (operation?.case === "lease") await this.#unary(method.lease, operation.value);
    }
    const targets: Invalidation["target"][] = [
      { case: "keys", value: { keys: [key] } },
      { case: "tags", value: { tags: [tag] } },
      { case: "prefix", value: key.slice(0, 3) },
      { case: "all", value: true },
    ];
    for (const target of targets)
      await this.#unary(method.invalidate, { namespace, ...(target && { target }) });
    await this.#batch(this.#operationsIn(namespace, key));
    await this.#exchange(namespace, key);
    await this.#stream({ namespace });
    // By a lease of somebody else, in its own namespace.
    for (const value of other.leaseTokens) {
      const set = { namespace: this.namespace, key, value: Buffer.alloc(9) };
      await this.#unary(method.set, { ...set, condition: { case: "leaseToken", value } });
      await this.#unary(method.lease, { namespace: this.namespace, key, releaseToken: value });
    }
    await this.#unary(method.get, { namespace: this.namespace, key });
    await this.#reflect();
  }

  /** The client of TypeScript, and the commands. */
  async useClient(other: TalkingPrincipal): Promise<void> {
    const cache = new MeshCache({
      address: this.#address,
      clientId: this.canaries.clientId,
      token: () => this.canaries.token,
      deadlineMs: 5_000,
      onEvent: (event) => this.#hear(event),
    });
    const { key, value, tag } = this.canaries;
    const own = cache.namespace(this.namespace, { codec: json<string>() });
    await own.set(`${key}3`, value, { tags: [tag] });
    this.#hear(await own.entry(`${key}3`));
    this.#hear(await own.getOrLoad(`${key}4`, () => value));
    await this.#settle(own.getOrLoad(`${key}5`, () => Promise.reject(new Error(value))));
    const theirs = cache.namespace(other.namespace, { codec: json<string>() });
    for (const call of [
      () => theirs.get(other.canaries.key),
      () => theirs.set(other.canaries.key, "x"),
      () => theirs.getOrLoad(other.canaries.key, () => "x"),
      () => theirs.invalidate({ prefix: other.canaries.key.slice(0, 3) }),
    ])
      await this.#settle(call());
    this.#hear(cache.stats());
    await cache.close({ graceMs: 100 });
    for (const argv of [
      ["get", key, "--namespace", this.namespace],
      ["get", other.canaries.key, "--namespace", other.namespace],
      ["set", other.canaries.key, "x", "--namespace", other.namespace],
      ["invalidate", "--namespace", other.namespace, "--all", "--yes"],
      ["stats"],
      ["stats", "--json"],
    ]) {
      const { stdout, stderr } = await runCommand([
        ...argv,
        "--address",
        this.#address,
        "--token-file",
        this.#tokenFile,
      ]);
      this.heard.push(stdout, stderr);
    }
  }

  async #lease(key: string): Promise<bigint> {
    const answer = await this.#client.unary(
      method.lease,
      { namespace: this.namespace, key },
      { metadata: this.#metadata },
    );
    this.#hear(answer);
    const token = answer.outcome.case === "granted" ? answer.outcome.value.token : 0n;
    this.leaseTokens.push(token);
    return token;
  }

  #operationsIn(namespace: string, key: string): Operation[] {
    const set = { namespace, key, value: Buffer.from(this.canaries.value) };
    return [
      { operation: { case: "get", value: { namespace, key } }, traceparent: SAMPLED },
      { operation: { case: "set", value: set } },
      { operation: { case: "set", value: { ...set, condition: { case: "ifVersion", value: 1n } } } },
      { operation: { case: "touch", value: { namespace, key, ttlMs: 60_000n } } },
      { operation: { case: "increment", value: { namespace, key } } },
      { operation: { case: "listKeys", value: { namespace, prefix: key.slice(0, 3) } } },
      { operation: { case: "lease", value: { namespace, key: `${key}9` } } },
      { operation: { case: "invalidate", value: { namespace, target: { case: "prefix", value: "none" } } } },
      { traceparent: this.canaries.header },
    ];
  }

  #unary: ServiceClient["unary"] = async (of, input) => {
    const answer = this.#client.unary(of, input, { metadata: this.#metadata });
    await this.#settle(answer);
    return answer.catch(() => Object());
  };

  async #batch(operations: Operation[]): Promise<void> {
    await this.#unary(method.batch, { operations });
  }

  async #stream(request: MessageInitShape<typeof method.stream.input>): Promise<void> {
    const stream = this.#client.serverStream(method.stream, request, { metadata: this.#metadata });
    await this.#settle(
      (async () => {
        for await (const frame of stream) this.#hear(frame);
      })(),
    );
  }

  /** Subscribes, also to what may not be, and sends operations, until all of them are answered. */
  async #exchange(namespace: string, key: string): Promise<void> {
    const call = this.#client.bidi(method.exchange, { metadata: this.#metadata });
    const selectors = [{ namespace, prefixes: [key] }, { namespace: this.namespace }];
    const frames: MessageInitShape<typeof ExchangeRequestSchema>["frame"][] = [
      { case: "open", value: { clientId: this.canaries.clientId } },
      { case: "subscription", value: { selectors } },
      { case: "subscription", value: { selectors, permittedOnly: true } },
      { case: "subscription", value: { selectors: [{ namespace: "", namespaceIsPrefix: true }] } },
      { case: "batch", value: { operations: this.#operationsIn(namespace, key) } },
      { case: "ping", value: { nonce: 0n } },
      { case: "ping", value: { nonce: 7n } },
    ];
    for (const [index, frame] of frames.entries())
      call.write(create(ExchangeRequestSchema, { id: BigInt(index + 1), ...(frame && { frame }) }));
    await this.#settle(
      (async () => {
        for await (const answer of call) {
          this.#hear(answer);
          if (isLast(answer, frames.length)) call.end();
        }
      })(),
    );
  }

  async #reflect(): Promise<void> {
    const call = this.#client.bidi(ServerReflection.method.serverReflectionInfo, {
      metadata: this.#metadata,
    });
    call.write({
      $typeName: "grpc.reflection.v1.ServerReflectionRequest",
      host: this.canaries.header,
      messageRequest: { case: "fileContainingSymbol", value: "meshcache.v1.CacheService" },
    });
    call.end();
    await this.#settle(
      (async () => {
        for await (const answer of call) this.#hear(answer);
      })(),
    );
  }

  async #settle(outcome: Promise<unknown>): Promise<void> {
    await outcome.then(
      (answer) => this.#hear(answer),
      (error) => this.#hear(error),
    );
  }

  #hear(what: unknown): void {
    this.heard.push(
      inspect(what, { depth: 12, showHidden: true, maxArrayLength: null, maxStringLength: null }),
      bytesIn(what),
    );
  }
}

function isLast({ id, frame, more }: ExchangeResponse, frames: number): boolean {
  return id === BigInt(frames) && frame.case !== "events" && !more;
}

/** Every byte array in it as text: values, cursors, the details of a status. */
function bytesIn(what: unknown): string {
  const found: string[] = [];
  const seen = new Set<unknown>();
  const visit = (part: unknown): void => {
    if (part instanceof Uint8Array) found.push(Buffer.from(part).toString("latin1"));
    else if (typeof part === "object" && part !== null && !seen.has(part)) {
      seen.add(part);
      for (const one of part instanceof Map ? part.values() : Object.values(part)) visit(one);
    }
  };
  visit(what);
  return found.join("\n");
}

interface Recorder {
  readonly address: string;
  /** Where the bytes go that the server sends. */
  heard: string[];
  close(): Promise<void>;
}

async function startRecorder(target: string): Promise<Recorder> {
  const [host = "", port = ""] = target.split(":");
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ host, port: Number(port), noDelay: true });
    const received: Buffer[] = [];
    far.on("data", (chunk: Buffer) => {
      received.push(chunk);
      near.write(chunk);
    });
    near.pipe(far);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => other.destroy());
    }
    far.on("close", () => recorder.heard.push(Buffer.concat(received).toString("latin1")));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const recorder: Recorder = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard: [],
    async close() {
      const closed = [...sockets].map(
        (socket) => socket.closed || new Promise((resolve) => socket.once("close", resolve)),
      );
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
      server.close();
    },
  };
  return recorder;
}
