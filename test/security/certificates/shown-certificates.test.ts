/** What servers keep of the certificates that clients show. */
import type { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createBoundary } from "../../../src/common/boundary.ts";
import { shownCertificates, speakOnly } from "../../../src/server/connections/shown-certificates.ts";
import { type Authority, type Certificate, createAuthority } from "../../support/certificates.ts";

let undo = new AsyncDisposableStack();
let root: Authority;
let shownBy: (client: Certificate, ...behind: readonly Certificate[]) => Promise<readonly X509Certificate[]>;

beforeEach(async () => {
  undo = new AsyncDisposableStack();
  root = createAuthority();
  const faults: unknown[] = [];
  const boundary = createBoundary((error) => faults.push(error));
  undo.defer(() => expect(faults).toEqual([]));
  const server = createServer({
    ...root.issue(),
    ca: root.cert,
    requestCert: true,
    ...speakOnly("h2", boundary),
  });
  const shown: (readonly X509Certificate[])[] = [];
  server.on("secureConnection", (socket: TLSSocket) => shown.push(shownCertificates(socket) ?? []));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  undo.defer(() => void server.close());
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  shownBy = async ({ cert, key }, ...behind) => {
    const chain = [cert, ...behind.map((one) => one.cert)].join("");
    const trusted = { ca: root.cert, servername: "localhost" };
    const client = connect({ port, ALPNProtocols: ["h2"], cert: chain, key, ...trusted });
    undo.defer(() => void client.destroy());
    const accepted = once(server, "secureConnection");
    await Promise.all([accepted, once(client, "secureConnect")]);
    return shown.splice(0)[0] ?? [];
  };
});
afterEach(() => undo.disposeAsync());

const fingerprints = (all: readonly X509Certificate[]) => all.map(({ fingerprint256 }) => fingerprint256);

it("is in one object for all connections that show it", async () => {
  const upper = root.intermediate();
  const client = upper.issue();
  const first = await shownBy(client, upper);
  const second = await shownBy(client, upper);
  expect(first.length).toBeGreaterThanOrEqual(2);
  second.forEach((certificate, index) => {
    expect(certificate).toBe(first[index]);
  });
  expect(fingerprints(second)).toEqual(fingerprints(first));
});

it("is what this client has shown, whoever shared a part of its chain before", async () => {
  const upper = root.intermediate();
  const lower = upper.intermediate();
  const [one, other] = [lower.issue(), upper.issue()];
  const ofOne = await shownBy(one, lower, upper);
  const ofOther = await shownBy(other, upper);
  const again = await shownBy(one, lower, upper);
  expect(fingerprints(again)).toEqual(fingerprints(ofOne));
  expect(fingerprints(ofOther)[0]).not.toBe(fingerprints(ofOne)[0]);
  expect(fingerprints(ofOther)).not.toContain(fingerprints(ofOne)[1]);
});

it("holds none of those behind a certificate in that certificate", async () => {
  const upper = root.intermediate();
  const [first] = await shownBy(upper.issue(), upper);
  expect(first?.issuerCertificate).toBeUndefined();
});
