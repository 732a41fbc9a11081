/** TLS handshakes of the HTTP port: who gets in, how long one may take, and how many are under way. */
import { once } from "node:events";
import { request } from "node:https";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { expect, it } from "vitest";
import type { TransportLimits } from "../../src/server/limits/transport-limits.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import type { ThreadObservation } from "../../src/telemetry/telemetry.ts";
import { eventually } from "../support/eventually.ts";
import { usePemTest } from "../support/pem-test.ts";
import { startServer } from "../support/running-server.ts";

const GET = "/v1/namespaces/users/keys/1";

const pem = usePemTest();

interface Started {
  readonly port: number;
  handshakes(): Readonly<Record<string, number>> | undefined;
}

async function start(transport: Partial<TransportLimits> = {}): Promise<Started> {
  let observed: ThreadObservation | undefined;
  const running = await startServer({
    security: { tls: pem.folder.save("server", pem.authority.issue()) },
    http: { listen: "127.0.0.1:0" },
    transport,
    telemetry: {
      ...createNoTelemetry(),
      observeThread(thread) {
        observed = thread;
        return () => {};
      },
    },
  });
  pem.undo.defer(() => running.stop());
  const address = running.server.httpAddress ?? "";
  return {
    port: Number(address.slice(address.lastIndexOf(":") + 1)),
    handshakes: () => observed?.tls?.handshakes(),
  };
}

/** The status of an answer. */
async function ask(port: number, ALPNProtocols?: string[]): Promise<number | undefined> {
  const socket = connectTls({
    ...{ port, host: "127.0.0.1", servername: "localhost", ca: pem.authority.cert },
    ...(ALPNProtocols === undefined ? {} : { ALPNProtocols }),
  });
  pem.undo.defer(() => void socket.destroy());
  await once(socket, "secureConnect");
  const sent = request({ createConnection: () => socket, path: GET, host: "localhost" });
  sent.end();
  const [response] = await once(sent, "response");
  await text(response);
  return response.statusCode;
}

async function silent(
  port: number,
  bytes = Buffer.alloc(0),
): Promise<{ socket: Socket; closed: Promise<unknown> }> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  pem.undo.defer(() => void socket.destroy());
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, "connect");
  socket.resume();
  socket.write(bytes);
  return { socket, closed };
}

it("let clients in that speak HTTP/1.1, or name no protocol, and no others", async () => {
  const { port, handshakes } = await start();
  const before = await ask(port, ["http/1.1"]);
  expect(before).toBeLessThan(500);
  expect(await ask(port)).toBe(before);
  await expect(ask(port, ["h2"])).rejects.toThrow();
  await eventually(() => expect(handshakes()).toMatchObject({ completed: 2, failed: 1 }));
});

it("end in time, whether a client says nothing or begins to", async () => {
  const { port, handshakes } = await start({ handshakeMaxMs: 200 });
  const all = [await silent(port), await silent(port, Buffer.from("16030102000100", "hex"))];
  await Promise.all(all.map(({ closed }) => closed));
  await eventually(() => expect(handshakes()).toMatchObject({ late: 2 }));
});

it("end at once when a client ends its side in the middle", async () => {
  const { port, handshakes } = await start();
  const { socket, closed } = await silent(port, Buffer.from("16030102000100", "hex"));
  socket.end();
  await closed;
  await eventually(() => expect(handshakes()).toMatchObject({ failed: 1, late: 0 }));
});

it("make room for new ones, the oldest first", async () => {
  const { port, handshakes } = await start({ handshakesMax: 4 });
  const all = [];
  for (let at = 0; at < 12; at++) all.push(await silent(port));
  expect(await ask(port)).toBeLessThan(500);
  await Promise.all(all.slice(0, 8).map(({ closed }) => closed));
  expect(handshakes()?.displaced).toBeGreaterThanOrEqual(8);
});
