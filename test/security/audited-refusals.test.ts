/** What the audit log says of those who are not let in: calls without an identity, and clients without a certificate, on each port. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { request } from "node:https";
import { connect } from "node:tls";
import { credentials, Metadata } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { createServiceClient } from "../../src/rpc/client.ts";
import type { SecurityOptions } from "../../src/security/security.ts";
import { readServerTls } from "../../src/security/tls/server-tls.ts";
import { startAdminHttp } from "../../src/server/admin-http.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import { type Certificate, createAuthority } from "../support/certificates.ts";
import { eventually } from "../support/eventually.ts";
import { usePemTest } from "../support/pem-test.ts";
import { startServer } from "../support/running-server.ts";

const DAY_MS = 86_400_000;
const SECRET = "tok-canary";

const pem = usePemTest();

type Line = Readonly<Record<string, unknown>>;

async function start(security: SecurityOptions) {
  const lines: Line[] = [];
  const log = (fields: object) => {
    if ("audit" in fields) lines.push({ ...fields });
  };
  const running = await startServer({
    security: { reloadMs: 100, ...security },
    http: { listen: "127.0.0.1:0" },
    telemetry: createNoTelemetry({ info: log, warn: log, error: log }),
  });
  pem.undo.defer(() => running.stop());
  return { running, lines };
}

const tlsOf = () => ({
  ...pem.folder.save("server", pem.authority.issue()),
  clientCa: pem.folder.write("ca.crt", pem.authority.cert),
});

describe("the audit log", () => {
  it("says why calls are of nobody, and from where they came, without their tokens", async () => {
    const digest = createHash("sha256").update(SECRET).digest("hex");
    const tokens = pem.folder.write("tokens", `orders ${digest}\n`);
    const { running, lines } = await start({ tokens });
    const client = createServiceClient(running.address, credentials.createInsecure());
    pem.undo.defer(() => client.close());
    const call = async (...authorization: readonly string[]) => {
      const metadata = new Metadata();
      for (const one of authorization) metadata.add("authorization", one);
      await client
        .unary(CacheService.method.get, { namespace: "users", key: "key-canary" }, { metadata })
        .catch(() => {});
    };
    await call();
    await call("Bearer wrong-canary");
    await call(`Basic ${SECRET}`);
    for (let at = 0; at < 100; at += 1) await call();
    const url = `http://${running.server.httpAddress}/meshcache.v1.CacheService/Get`;
    const headers = { "content-type": "application/json", authorization: "Bearer x y-canary" };
    await fetch(url, { method: "POST", headers, body: "{}" });
    const from = { audit: "unauthenticated", from: "127.0.0.1", unlogged: 0 };
    expect(lines).toEqual(["absent", "unknown", "malformed"].map((reason) => ({ ...from, reason })));
    await call(`Bearer ${SECRET}`);
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${SECRET}`);
    const stream = client.serverStream(CacheService.method.stream, { namespace: "users" }, { metadata });
    const ended = new Promise((resolve) => stream.on("error", resolve));
    await once(stream, "data");
    pem.folder.write("tokens", "# none\n");
    await ended;
    expect(lines.at(-1)).toEqual({ ...from, reason: "expired", principal: "token:orders" });
    expect(JSON.stringify(lines)).not.toContain("canary");
  });

  it.each(["gRPC", "HTTP"])(
    "says why clients of the %s port were refused in their handshakes",
    async (name) => {
      const { running, lines } = await start({ tls: tlsOf() });
      const address = name === "gRPC" ? running.address : (running.server.httpAddress ?? "");
      const port = Number(address.slice(address.lastIndexOf(":") + 1));
      const protocol = name === "gRPC" ? "h2" : "http/1.1";
      const clients: Readonly<Record<string, Partial<Certificate>>> = {
        absent: {},
        UNABLE_TO_VERIFY_LEAF_SIGNATURE: createAuthority("foreign").issue(),
        CERT_HAS_EXPIRED: pem.authority.issue({ fromMs: -2 * DAY_MS, untilMs: -DAY_MS }),
        "not of one client": pem.authority.issue({
          names: ["URI:spiffe://a/canary", "URI:spiffe://b/canary"],
        }),
      };
      for (const client of Object.values(clients)) {
        const socket = connect({
          port,
          host: "127.0.0.1",
          ca: pem.authority.cert,
          ALPNProtocols: [protocol],
          ...client,
        });
        socket.on("error", () => {});
        socket.resume();
        await new Promise((resolve) => socket.once("close", resolve));
      }
      const expected = Object.keys(clients).map((reason) => ({
        audit: "handshake",
        from: "127.0.0.1",
        reason,
        unlogged: 0,
      }));
      await eventually(() => expect(lines).toEqual(expected));
    },
  );
});

describe("the admin port", () => {
  it("tells of clients without a certificate that ask for more than probes", async () => {
    const refused: unknown[] = [];
    const admin = await startAdminHttp({
      host: "127.0.0.1",
      port: 0,
      hosts: "",
      connectionsMax: 8,
      metricsText: async () => "",
      ready: () => true,
      logger: { info() {}, warn() {}, error() {} },
      tls: readServerTls(tlsOf()).value,
      refusedClient: (...about) => refused.push(about),
    });
    pem.undo.defer(() => admin.close());
    for (const path of ["/healthz", "/metrics"]) {
      const asked = request({
        port: admin.port,
        host: "127.0.0.1",
        path,
        ca: pem.authority.cert,
        agent: false,
      });
      asked.end();
      const [response] = await once(asked, "response");
      response.resume();
    }
    expect(refused).toEqual([["127.0.0.1", "absent"]]);
  });
});
