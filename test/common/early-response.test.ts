/** Answers that are sent before their request has been read, by the HTTP port of a server and by the HTTP proxy. */
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { startHttpProxy } from "../../src/http-proxy/index.ts";
import { startTestCache } from "../../src/testing/index.ts";
import { eventually } from "../support/eventually.ts";

const LOOPBACK = "127.0.0.1";
const HEAD = "POST /meshcache.v1.CacheService/Get HTTP/1.1\r\nHost: other.example\r\n";
const MIB = 2 ** 20;

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
});

const servers: readonly (readonly [name: string, start: () => Promise<string>])[] = [
  [
    "the HTTP port",
    async () => {
      const mesh = await startTestCache({ server: { http: { listen: `${LOOPBACK}:0` } } });
      undo.push(() => mesh.close());
      return mesh.server.httpAddress ?? "";
    },
  ],
  [
    "the HTTP proxy",
    async () => {
      const mesh = await startTestCache();
      const listen = { host: LOOPBACK, port: 0 };
      const proxy = await startHttpProxy({ cache: mesh.cache, origin: `http://${LOOPBACK}:1`, listen });
      undo.push(
        () => mesh.close(),
        () => proxy.close(0),
      );
      return proxy.address;
    },
  ],
];

function open(address: string) {
  // It goes on sending behind the end of what it reads.
  const socket = connect({ port: Number(address.split(":")[1]), host: LOOPBACK, allowHalfOpen: true });
  const seen = { text: "", ended: false, error: undefined as unknown };
  socket.on("data", (chunk) => {
    seen.text += chunk.toString("latin1");
  });
  socket.on("end", () => {
    seen.ended = true;
  });
  socket.on("error", (error) => {
    seen.error = error;
  });
  undo.push(() => socket.destroy());
  return { socket, seen };
}

describe.each(servers)("%s, which refuses a request by its head", (_name, start) => {
  it("goes on behind a short body", async () => {
    const { socket, seen } = open(await start());
    socket.write(`${HEAD}Content-Length: 10\r\n\r\n`);
    await eventually(() => expect(seen.text).toMatch(/^HTTP\/1\.1 421 /));
    expect(seen.text.toLowerCase()).not.toContain("connection: close");
    socket.write(`0123456789${HEAD}Content-Length: 0\r\n\r\n`);
    await eventually(() => expect(seen.text.match(/HTTP\/1\.1 421 /g)).toHaveLength(2));
    expect(seen.ended).toBe(false);
  });

  it.each([`Content-Length: ${MIB}`, "Transfer-Encoding: chunked"])(
    "says that it is the last answer, and closes in order: %s",
    async (length) => {
      const { socket, seen } = open(await start());
      socket.write(`${HEAD}${length}\r\n\r\n`);
      await eventually(() => expect(seen.ended).toBe(true));
      expect(seen.text).toMatch(/^HTTP\/1\.1 421 /);
      expect(seen.text.toLowerCase()).toContain("connection: close");
      expect(seen.error).toBeUndefined();
    },
  );

  it("reads no body without an end", async () => {
    const { socket, seen } = open(await start());
    socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
    await eventually(() => expect(seen.ended).toBe(true));
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
    let sent = 0;
    const more = () => {
      while (!socket.destroyed && sent < 64 * MIB) {
        sent += chunk.length;
        if (!socket.write(chunk)) return;
      }
    };
    socket.on("drain", more);
    more();
    await eventually(() => expect(socket.destroyed).toBe(true));
    expect(sent).toBeLessThan(64 * MIB);
  });
});
