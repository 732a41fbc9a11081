/** An origin, the proxies before it and their cache, all over real sockets and on a clock that the test moves. */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type HttpProxy,
  type HttpProxyInternals,
  type HttpProxyOptions,
  startHttpProxy,
} from "../../src/http-proxy/index.ts";
import { createTestClock, startTestCache, type TestCache } from "../../src/testing/index.ts";

/** Nothing here may take too long because the machine is busy. */
export const PATIENT = { leaseMs: 600_000, silenceMaxMs: 600_000, deadlineMs: 60_000, pingMs: 600_000 };

export interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
  /** Of the proxies; default the first. */
  readonly through?: number;
}

export interface OriginRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export type OriginHandler = (request: OriginRequest, response: ServerResponse) => void;

export interface ProxiedOrigin extends AsyncDisposable {
  readonly mesh: TestCache;
  /** Lets this time pass, once what the last answer has brought is stored. */
  pass(ms: number): Promise<void>;
  readonly proxies: readonly HttpProxy[];
  readonly origin: string;
  /** What has reached the origin. */
  readonly requests: OriginRequest[];
  readonly faults: unknown[];
  /** What the origin does. */
  handler: OriginHandler;
  ask(path: string, asked?: Asked): Promise<Answered>;
  stopOrigin(): Promise<void>;
}

export interface ProxiedOptions extends Partial<HttpProxyOptions>, Omit<HttpProxyInternals, "clock"> {
  /** Of proxies; default 1. */
  readonly count?: number;
}

export async function startProxiedOrigin(
  handler: OriginHandler,
  { count = 1, peerTimes, bounds, ...options }: ProxiedOptions = {},
): Promise<ProxiedOrigin> {
  const clock = createTestClock();
  const mesh = await startTestCache({ client: PATIENT, clock });
  const requests: OriginRequest[] = [];
  const faults: unknown[] = [];
  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on("data", (chunk: Buffer) => chunks.push(chunk));
    message.on("end", () => {
      const { method = "", url = "", headers } = message;
      const seen = { method, url, headers, body: Buffer.concat(chunks).toString() };
      requests.push(seen);
      started.handler(seen, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const proxies: HttpProxy[] = [];
  for (let index = 0; index < count; index += 1) {
    const cache = index === 0 ? mesh.cache : mesh.connect(PATIENT);
    proxies.push(
      await startHttpProxy(
        {
          cache,
          origin,
          listen: { host: "127.0.0.1", port: 0 },
          onFault: (error) => faults.push(error),
          ...options,
        },
        { clock, ...(peerTimes !== undefined && { peerTimes }), ...(bounds !== undefined && { bounds }) },
      ),
    );
  }
  const stopOrigin = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const started: ProxiedOrigin = {
    mesh,
    pass: async (ms) => {
      await mesh.cache.sync();
      clock.advance(ms);
      await mesh.cache.sync();
    },
    proxies,
    origin,
    requests,
    faults,
    handler,
    ask: (path, asked = {}) => ask(`http://${proxies[asked.through ?? 0]?.address}`, path, asked),
    stopOrigin,
    async [Symbol.asyncDispose]() {
      for (const proxy of proxies) await proxy.close();
      await stopOrigin();
      await mesh.close();
      if (faults.length > 0) throw new AggregateError(faults, "the proxy has faults");
    },
  };
  return started;
}

export function ask(
  base: string,
  path: string,
  { method = "GET", headers = {}, body }: Asked,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(base);
    // The path goes out as it is: a URL would be normalized.
    const asking = request(
      { hostname, port, path, method, headers: { ...headers } as never, agent: false },
      (message) => {
        const chunks: Buffer[] = [];
        message.on("data", (chunk: Buffer) => chunks.push(chunk));
        message.on("error", reject);
        message.on("end", () => {
          const { statusCode: status = 0, headers: answered } = message;
          resolve({ status, headers: answered, body: Buffer.concat(chunks).toString("latin1") });
        });
      },
    );
    asking.on("error", reject);
    asking.end(body);
  });
}

/** Answers with the number of the request as its body. */
export function numbered(headers: Readonly<Record<string, string | readonly string[]>>): OriginHandler {
  let count = 0;
  return (_request, response) => {
    count += 1;
    response.writeHead(200, { ...headers } as never);
    response.end(`answer ${count}`);
  };
}
