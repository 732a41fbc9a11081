/** Ports that a test listens on later. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { expect, it } from "vitest";
import { freePort, HOST } from "./free-port.ts";

const MANY = 50;
const RANGE = "/proc/sys/net/ipv4/ip_local_port_range";

it("gives no port twice, also to another process", async () => {
  const ports = await Promise.all(Array.from({ length: MANY }, freePort));
  const script = `import { freePort } from "./test/support/free-port.ts";
    for (let count = 0; count < ${MANY}; count++) console.log(await freePort());`;
  const other = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  const all = [...ports, ...other.trim().split("\n").map(Number)];
  expect(new Set(all).size).toBe(2 * MANY);
});

it("gives ports that can be listened on, and that no outgoing connection takes", async () => {
  const port = await freePort();
  const server = createServer().listen(port, HOST);
  await once(server, "listening");
  server.close();
  const [first = ""] = process.platform === "linux" ? readFileSync(RANGE, "utf8").split("\t") : ["49152"];
  expect(port).toBeLessThan(Number(first));
});
