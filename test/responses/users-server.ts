/** The users service over grpc-js, which counts its calls, and clients for it. */
import { setTimeout as delay } from "node:timers/promises";
import {
  type ClientOptions,
  credentials,
  type Interceptor,
  Metadata,
  makeClientConstructor,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  type StatusObject,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";

export interface User {
  readonly tenantId?: string;
  readonly userId?: string;
  readonly name?: string;
  readonly groups?: readonly string[];
  readonly picture?: Uint8Array;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface UsersService {
  readonly handlers: UntypedServiceImplementation;
  /** How often each method has run. */
  readonly calls: Record<string, number>;
  /** How long a call takes. */
  delayMs: number;
  /** Answers of GetUser by "tenant:id"; an error is thrown as it is. Default: a user of that name. */
  readonly answers: Map<string, User | Partial<ServiceError>>;
  readonly plans: Map<string, number>;
  /** Sent with each answer of GetUser. */
  readonly metadata: Metadata;
  readonly trailers: Metadata;
  /** Thrown by RenameUser after it has written. */
  renameError: Partial<ServiceError> | undefined;
}

export function createUsersService(): UsersService {
  const calls: Record<string, number> = {};
  const count = (name: string) => {
    calls[name] = (calls[name] ?? 0) + 1;
  };
  const service: UsersService = {
    calls,
    delayMs: 0,
    answers: new Map(),
    plans: new Map(),
    metadata: new Metadata(),
    trailers: new Metadata(),
    renameError: undefined,
    handlers: {
      async GetUser(call: never, callback: never) {
        count("GetUser");
        const { request, sendMetadata } = unaryOf(call);
        const id = `${request.tenantId}:${request.userId}`;
        const answer = service.answers.get(id) ?? { ...request, name: `user ${id}` };
        if (service.delayMs > 0) await delay(service.delayMs);
        sendMetadata(service.metadata);
        if ("code" in answer) answered(callback)(answer);
        else answered(callback)(null, answer, service.trailers);
      },
      FindUsers(call: never, callback: never) {
        count("FindUsers");
        const { request } = unaryOf(call);
        answered(callback)(null, { users: [{ name: JSON.stringify(request) }] });
      },
      GetSettings(call: never, callback: never) {
        count("GetSettings");
        const { metadata } = unaryOf(call);
        answered(callback)(null, { readFor: metadata.get("authorization").join() });
      },
      GetPlan(call: never, callback: never) {
        count("GetPlan");
        const { request } = unaryOf(call);
        const name = String(request.name);
        answered(callback)(null, { name, usersMax: service.plans.get(name) ?? 0 });
      },
      RenameUser(call: never, callback: never) {
        count("RenameUser");
        const { request } = unaryOf(call);
        const id = `${request.tenantId}:${request.userId}`;
        if (request.name === "") {
          answered(callback)({ code: status.INVALID_ARGUMENT, details: "a name is needed" });
          return;
        }
        const user: User = {
          tenantId: String(request.tenantId),
          userId: String(request.userId),
          name: String(request.name),
        };
        service.answers.set(id, user);
        if (service.renameError === undefined) answered(callback)(null, user);
        else answered(callback)(service.renameError);
      },
      SetPlan(call: never, callback: never) {
        count("SetPlan");
        const { request } = unaryOf(call);
        service.plans.set(String(request.planName), Number(request.usersMax));
        answered(callback)(null, { name: request.planName, usersMax: request.usersMax });
      },
      Ping(_: never, callback: never) {
        count("Ping");
        answered(callback)(null, { pings: calls.Ping });
      },
      WatchUsers(call: never) {
        count("WatchUsers");
        const stream: { write(user: User): void; end(): void } = call;
        stream.write({ name: "one" });
        stream.write({ name: "two" });
        stream.end();
      },
    } as unknown as UntypedServiceImplementation,
  };
  return service;
}

interface Unary {
  readonly request: Readonly<Record<string, unknown>>;
  readonly metadata: Metadata;
  sendMetadata(metadata: Metadata): void;
}

function unaryOf(call: Unary): Unary {
  return {
    request: call.request,
    metadata: call.metadata,
    sendMetadata: (metadata) => call.sendMetadata(metadata),
  };
}

type Callback = (error: Partial<ServiceError> | null, response?: unknown, trailers?: Metadata) => void;
const answered = (callback: Callback): Callback => callback;

export interface ListeningServer extends AsyncDisposable {
  readonly address: string;
}

export async function listen(
  definition: ServiceDefinition,
  handlers: UntypedServiceImplementation,
): Promise<ListeningServer> {
  const server = new Server({ "grpc.enable_channelz": 0 });
  server.addService(definition, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    address: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  };
}

/** All that a caller sees of a call. */
export interface SeenAnswer {
  readonly code: number;
  readonly details: string;
  readonly response: unknown;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  /** What x-meshcache says in the metadata or the trailers. */
  readonly mark: string | undefined;
}

export interface CallSettings {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
  /** The authority that the service sees, instead of that of the channel. */
  readonly host?: string;
  /** Called with a function that cancels the call. */
  readonly begun?: (cancel: () => void) => void;
}

export interface UsersClient extends Disposable {
  call(method: string, request: object, settings?: CallSettings): Promise<SeenAnswer>;
}

export function connectUsers(
  address: string,
  definition: ServiceDefinition,
  interceptors: readonly Interceptor[] = [],
  options: ClientOptions = {},
): UsersClient {
  const UsersStub = makeClientConstructor(definition, "UserService");
  const client = new UsersStub(address, credentials.createInsecure(), {
    "grpc.enable_channelz": 0,
    ...options,
    interceptors: [...interceptors],
  });
  return {
    call: (method, request, settings = {}) =>
      new Promise((resolve) => {
        const { path, requestSerialize, responseDeserialize } = definition[
          method
        ] as ServiceDefinition[string];
        const metadata = new Metadata();
        for (const [name, value] of Object.entries(settings.metadata ?? {})) metadata.set(name, value);
        let received: Metadata | undefined;
        let response: unknown;
        const { deadlineMs, host } = settings;
        const call = client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          metadata,
          {
            ...(deadlineMs !== undefined && { deadline: Date.now() + deadlineMs }),
            ...(host !== undefined && { host }),
          },
          (_, answer) => {
            response = answer;
          },
        );
        call.on("metadata", (header: Metadata) => {
          received = header;
        });
        call.on("status", (end: StatusObject) => resolve(toSeen(end, response, received)));
        settings.begun?.(() => call.cancel());
      }),
    [Symbol.dispose]: () => client.close(),
  };
}

/** grpc-js adds these to each answer. */
const OF_TRANSPORT = ["content-type", "date", "x-meshcache", "grpc-accept-encoding", "accept-encoding"];

function toSeen(
  { code, details, metadata: trailers }: StatusObject,
  response: unknown,
  metadata?: Metadata,
): SeenAnswer {
  const plain = (one: Metadata | undefined) =>
    Object.fromEntries(Object.entries(one?.toJSON() ?? {}).filter(([name]) => !OF_TRANSPORT.includes(name)));
  const mark = [metadata, trailers].flatMap((one) => one?.get("x-meshcache") ?? [])[0];
  return {
    code,
    details,
    response,
    metadata: plain(metadata),
    trailers: plain(trailers),
    mark: mark === undefined ? undefined : String(mark),
  };
}
