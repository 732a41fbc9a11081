/** Mutual TLS between two Envoys, with a client and a server that speak plain HTTP/2 to their own. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { json, MeshCache } from "../../src/index.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import type { Change } from "./configs.ts";
import { programOf } from "./programs.ts";
import { type ProxyProcess, startProxy } from "./proxy.ts";
import { printReport, trafficDuring } from "./traffic.ts";

const codec = json<number>();
const CLIENTS = 50;

describe.skipIf(programOf("envoy") === undefined)("L1: mutual TLS between sidecars", () => {
  let folder: string;
  let running: RunningServer;
  let serverSide: ProxyProcess;
  const undo = new AsyncDisposableStack();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "meshcache-certificates-"));
    undo.defer(() => rmSync(folder, { recursive: true }));
    for (const authority of ["ca", "other-ca"]) createAuthority(authority);
    createCertificate("meshcache", "ca", "spiffe://mesh/meshcache");
    createCertificate("client", "ca", "spiffe://mesh/client");
    createCertificate("foreign", "other-ca", "spiffe://mesh/client");
    createCertificate("another", "ca", "spiffe://mesh/another");
    running = await startServer();
    undo.defer(() => running.stop());
    serverSide = undo.use(
      await startProxy("envoy", running.address, {
        config: "envoy-server",
        listener: "0.0.0.0:15443",
        upstream: "127.0.0.1:50051",
        changes: certificates("meshcache", "meshcache"),
      }),
    );
  });
  afterAll(() => undo.disposeAsync());

  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

  function createAuthority(name: string): void {
    const files = ["-keyout", `${name}.key`, "-out", `${name}.pem`];
    openssl("req", "-x509", ...newKey, ...files, "-subj", `/CN=${name}`, "-days", "2");
  }

  function createCertificate(name: string, authority: string, uri: string): void {
    openssl("req", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    writeFileSync(join(folder, `${name}.ext`), `subjectAltName=URI:${uri}\n`);
    const signedBy = ["-CA", `${authority}.pem`, "-CAkey", `${authority}.key`, "-CAcreateserial"];
    const files = ["-in", `${name}.csr`, "-out", `${name}.pem`, "-extfile", `${name}.ext`];
    openssl("x509", "-req", ...files, ...signedBy, "-days", "2");
  }

  /** The files of the page, in the test's folder. */
  function certificates(onPage: string, own: string): Change[] {
    return [
      [`/etc/certs/${onPage}.pem`, join(folder, `${own}.pem`)],
      [`/etc/certs/${onPage}.key`, join(folder, `${own}.key`)],
      ["/etc/certs/ca.pem", join(folder, "ca.pem")],
    ];
  }

  function startClientSide(own: string): Promise<ProxyProcess> {
    return startProxy("envoy", serverSide.address, {
      config: "envoy-client",
      listener: "127.0.0.1:50052",
      upstream: "meshcache:15443",
      changes: certificates("client", own),
    });
  }

  it(`carries ${CLIENTS} plain clients to a plain server, and events back`, async () => {
    await using clientSide = await startClientSide("client");
    const caches = Array.from({ length: CLIENTS }, () => new MeshCache({ address: clientSide.address }));
    const [first] = caches;
    await using writing = new MeshCache({ address: running.address });
    const writer = writing.namespace("n", { codec, nearCache: false });
    if (first === undefined) throw new Error("there is no client");
    const report = await trafficDuring(writer, first.namespace("n", { codec }), () => delay(1_000));
    printReport("mutual TLS between two Envoys", report);
    expect(report.failedReads).toBe(0);
    expect(report.staleMs).toBeLessThan(500);
    await writer.set("k", 7);
    const read = await Promise.all(caches.map((cache) => cache.namespace("n", { codec }).get("k")));
    expect(read).toEqual(read.map(() => ({ kind: "hit", value: 7 })));
    await Promise.all(caches.map((cache) => cache.close({ graceMs: 0 })));
  });

  it.each([
    ["of another authority", "foreign"],
    ["of another workload", "another"],
  ])("lets no client through whose certificate is %s", async (_, own) => {
    await using clientSide = await startClientSide(own);
    await using cache = new MeshCache({ address: clientSide.address });
    const failure = cache.namespace("n", { codec }).get("k", { deadlineMs: 5_000 });
    await expect(failure).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    expect(cache.stats().connection.streams).toBe(0);
  });

  it("lets no client through that speaks plain HTTP/2", async () => {
    await using cache = new MeshCache({ address: serverSide.address });
    const failure = cache.namespace("n", { codec }).get("k", { deadlineMs: 5_000 });
    await expect(failure).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });
});
