/** Whom the admin port shows metrics to, where a policy says who may observe. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { createBoundary } from "../../src/common/boundary.ts";
import { systemClock } from "../../src/common/clock.ts";
import { openSecurity } from "../../src/security/security.ts";
import { startAdminHttp } from "../../src/server/admin-http.ts";
import { eventually } from "../support/eventually.ts";
import { policyOf } from "../support/guarded-servers.ts";
import { usePemTest } from "../support/pem-test.ts";

const TOKEN = "tok-canary";
const idOf = (name: string) => `spiffe://example.org/${name}`;
const observing = (namespaces: readonly string[]) => ({ namespaces, may: ["observe" as const] });

const pem = usePemTest();

const policyWith = (prometheus: readonly string[]) =>
  policyOf({
    prometheus: { match: [idOf("prometheus")], limits: {}, allow: [observing(prometheus)] },
    orders: { match: [idOf("orders"), "token:orders"], limits: {}, allow: [observing(["orders"])] },
  });

/** Returns what asks for a path as a service, which may have a token too. */
async function start(policy?: string) {
  const denied: string[] = [];
  const log = (fields: object) => void denied.push(JSON.stringify(fields));
  const logger = { info: log, warn: log, error: log };
  const digest = createHash("sha256").update(TOKEN).digest("hex");
  const tls = {
    ...pem.folder.save("server", pem.authority.issue()),
    clientCa: pem.folder.write("ca.crt", pem.authority.cert),
  };
  const security = openSecurity(
    {
      tls,
      reloadMs: 100,
      tokens: pem.folder.write("tokens", `orders ${digest}\n`),
      ...(policy !== undefined && { policy: pem.folder.write("policy.yaml", policy) }),
    },
    "127.0.0.1",
  );
  const admin = await startAdminHttp({
    host: "127.0.0.1",
    port: 0,
    hosts: "",
    connectionsMax: 8,
    metricsText: async () => "meshcache_entries 1\n",
    stats: () => ({ entries: 1 }),
    ready: () => true,
    logger,
    tls: security.tls?.value,
    authenticator: security.authenticator,
  });
  pem.undo.defer(() => admin.close());
  const target = { replaceTls: admin.replaceTls, checkStreams: () => {} };
  pem.undo.defer(security.watch({ clock: systemClock, boundary: createBoundary(() => {}), logger }, target));
  const ask = async (name: string, path = "/metrics", ...tokens: readonly string[]) => {
    const { cert, key } = pem.authority.issue({ names: [`URI:${idOf(name)}`] });
    const headers = ["host", "localhost", ...tokens.flatMap((one) => ["authorization", `Bearer ${one}`])];
    const asked = request({
      ...{ port: admin.port, host: "127.0.0.1", path, headers, agent: false },
      ...{ ca: pem.authority.cert, cert, key },
    });
    asked.end();
    const [response] = await once(asked, "response");
    return [response.statusCode, await text(response)];
  };
  return { ask, denied };
}

describe("metrics on the admin port", () => {
  it("are for who may observe all namespaces, and probes for everybody", async () => {
    const { ask, denied } = await start(policyWith(["*"]));
    expect(await ask("prometheus")).toEqual([200, "meshcache_entries 1\n"]);
    expect((await ask("prometheus", "/stats"))[0]).toBe(200);
    for (const path of ["/metrics", "/stats"]) {
      expect(await ask("orders", path)).toEqual([403, "the caller needs observe here\n"]);
      expect((await ask("nobody", path))[0]).toBe(403);
    }
    expect((await ask("orders", "/healthz"))[0]).toBe(200);
    expect(denied.join()).toContain('"audit":"denied","principal":"spiffe://example.org/orders"');
  });

  it("are refused to who has a token of nobody, or of another than the certificate", async () => {
    const { ask, denied } = await start(policyWith(["*"]));
    expect((await ask("prometheus", "/metrics", "wrong-canary"))[0]).toBe(401);
    expect((await ask("prometheus", "/metrics", TOKEN))[0]).toBe(401);
    expect((await ask("orders", "/metrics", TOKEN))[0]).toBe(403);
    expect((await ask("orders", "/metrics", TOKEN, TOKEN))[0]).toBe(401);
    expect(denied.join()).not.toContain("canary");
  });

  it("follow the policy when it is replaced", async () => {
    const { ask } = await start(policyWith(["*"]));
    expect((await ask("prometheus"))[0]).toBe(200);
    pem.folder.write("policy.yaml", policyWith(["orders"]));
    await eventually(async () => expect((await ask("prometheus"))[0]).toBe(403));
  });

  it("are for every client with a certificate where there is no policy", async () => {
    const { ask } = await start();
    expect((await ask("orders"))[0]).toBe(200);
  });
});
