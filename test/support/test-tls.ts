/** Mutual TLS of the servers and clients of a suite, and a policy that allows it, where the project of vitest.config.ts asks for it. */
import { readFileSync } from "node:fs";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import type { ClientTlsOptions } from "../../src/index.ts";
import { PERMISSIONS } from "../../src/security/access/access.ts";
import type { SecurityOptions } from "../../src/server/index.ts";
import { createAuthority, PemFolder } from "./certificates.ts";

const CLIENT = "spiffe://example.org/test";

interface TestTls {
  readonly security: SecurityOptions;
  readonly client: Required<Omit<ClientTlsOptions, "serverName">>;
}

/** Made once for each process of a suite. */
export const testTls: TestTls | undefined =
  process.env.MESHCACHE_TEST_TLS === "on" ? createTestTls() : undefined;

/** For clients of grpc-js. */
export const testCredentials: ChannelCredentials = toCredentials(testTls);

/** For clients of meshcache: `new MeshCache({ address, ...withTestTls })`. */
export const withTestTls: { readonly tls?: ClientTlsOptions } =
  testTls === undefined ? {} : { tls: testTls.client };

/** For `connect` of node:tls and node:http2. */
export const testSecrets: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer } =
  testTls === undefined
    ? {}
    : {
        ca: readFileSync(testTls.client.ca),
        cert: readFileSync(testTls.client.cert),
        key: readFileSync(testTls.client.key),
      };

function createTestTls(): TestTls {
  const folder = new PemFolder();
  process.once("exit", () => folder[Symbol.dispose]());
  const authority = createAuthority();
  const ca = folder.write("ca.crt", authority.cert);
  const server = folder.save("server", authority.issue());
  const client = folder.save("client", authority.issue({ names: [`URI:${CLIENT}`] }));
  const policy = folder.write(
    "policy.yaml",
    JSON.stringify({
      principals: [
        { name: "other", match: ["spiffe://example.org/other"], allow: [] },
        { name: "test", match: [CLIENT], allow: [{ namespaces: ["*"], may: PERMISSIONS }] },
      ],
    }),
  );
  return { security: { tls: { ...server, clientCa: ca }, policy }, client: { ...client, ca } };
}

function toCredentials(tls: TestTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const { ca, cert, key } = tls.client;
  return credentials.createSsl(readFileSync(ca), readFileSync(key), readFileSync(cert));
}
