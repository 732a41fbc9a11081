/** What may listen at an address that is none of a meshcache server. */
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { Server as GrpcServer, ServerCredentials } from "@grpc/grpc-js";

export interface WrongServer extends AsyncDisposable {
  readonly address: string;
}

const ignore = (): void => {};

async function listen(server: Server): Promise<WrongServer> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", ignore);
  });
  server.on("tlsClientError", ignore);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function nothing(): Promise<WrongServer> {
  const server = await listen(createServer());
  await server[Symbol.asyncDispose]();
  return { address: server.address, [Symbol.asyncDispose]: async () => undefined };
}

async function emptyGrpc(): Promise<WrongServer> {
  const server = new GrpcServer();
  const port = await new Promise<number>((resolve, reject) => {
    const bound = (error: Error | null, port: number) => (error ? reject(error) : resolve(port));
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), bound);
  });
  return { address: `127.0.0.1:${port}`, [Symbol.asyncDispose]: async () => server.forceShutdown() };
}

const answering = (status: number, contentType: string) =>
  createHttp2Server((_request, response) => {
    response.writeHead(status, { "content-type": contentType });
    response.end("<html>");
  });

const speaking = (messages: Uint8Array) =>
  createHttp2Server((_request, response) => {
    response.writeHead(200, { "content-type": "application/grpc" });
    response.write(messages);
  });

/** Started anew at each call. */
export const wrongServers = {
  nothing,
  "an unknown name": async () => ({
    address: "no-such-host.invalid:50051",
    [Symbol.asyncDispose]: async () => undefined,
  }),
  "HTTP/1": () => listen(createHttpServer((_request, response) => response.end("hi"))),
  "a page over HTTP/2": () => listen(answering(200, "text/html")),
  "404 over HTTP/2": () => listen(answering(404, "text/plain")),
  "503 over HTTP/2": () => listen(answering(503, "text/plain")),
  "gRPC without the service": emptyGrpc,
  "another gRPC service": () => listen(speaking(Buffer.from("0000000003ffffff", "hex"))),
  "a gRPC message without an end": () => listen(speaking(Buffer.from("00ffffffff00", "hex"))),
  TLS: () => listen(createTlsServer()),
  "an alert of TLS": () =>
    listen(
      createServer((socket) => socket.once("data", () => socket.end(Uint8Array.of(0x15, 3, 1, 0, 2, 2, 70)))),
    ),
  Redis: () =>
    listen(createServer((socket) => socket.on("data", () => socket.write("-ERR unknown command 'PRI'\r\n")))),
  "a banner": () => listen(createServer((socket) => socket.write("SSH-2.0-OpenSSH_9.6\r\n"))),
  "an end": () => listen(createServer((socket) => socket.end())),
  "a reset": () => listen(createServer((socket) => socket.once("data", () => socket.resetAndDestroy()))),
  silence: () => listen(createServer((socket) => socket.resume())),
} satisfies Record<string, () => Promise<WrongServer>>;

export type WrongServerName = keyof typeof wrongServers;
