/** Origins that answer before they have read a request. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect, it } from "vitest";
import { startHttpProxy } from "../../src/http-proxy/index.ts";
import { startTestCache } from "../../src/testing/index.ts";

const ANSWER = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo long";

it.each([100, 1_000_000])(
  "an answer before the end of a body of %i bytes reaches the client whole",
  async (length) => {
    await using mesh = await startTestCache();
    const origin = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(ANSWER));
    });
    origin.listen(0, "127.0.0.1");
    await once(origin, "listening");
    const { port } = origin.address() as AddressInfo;
    const listen = { host: "127.0.0.1", port: 0 };
    const proxy = await startHttpProxy({ cache: mesh.cache, origin: `http://127.0.0.1:${port}`, listen });
    try {
      const client = connect(Number(proxy.address.split(":")[1]), "127.0.0.1");
      const isLong = length > 256 * 1024;
      let received = "";
      let hasEnded = false;
      client.on("end", () => {
        hasEnded = true;
      });
      client.on("data", (chunk) => {
        received += chunk.toString("latin1");
      });
      // The body comes in two parts, the second one only behind the answer.
      client.write(
        `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n${"x".repeat(50)}`,
      );
      await expect.poll(() => received).toContain("too long");
      expect(received).toMatch(/^HTTP\/1\.1 413 /);
      expect(received.toLowerCase().includes("connection: close")).toBe(isLong);
      if (isLong) await expect.poll(() => hasEnded).toBe(true);
      else {
        client.write(`${"x".repeat(length - 50)}OPTIONS / HTTP/1.1\r\nHost: localhost\r\n\r\n`);
        await expect.poll(() => received.match(/HTTP\/1\.1 413 /g)).toHaveLength(2);
      }
      client.destroy();
    } finally {
      await proxy.close(0);
      origin.close();
    }
  },
);
