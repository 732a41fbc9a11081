/** A static token, and a policy that permits its principal everything and meters it, far above what a load can do. */
import { createHash, randomBytes } from "node:crypto";
import { PemFolder } from "../../test/support/certificates.ts";

export interface PolicyFiles {
  /** Paths of the files of the server. */
  readonly tokens: string;
  readonly policy: string;
  readonly token: string;
}

const LIMITS = {
  operationsPerSecond: 100_000_000,
  bytesPerSecond: 2 ** 40,
  connectionsMax: 10_000,
  streamsMax: 10_000,
  heldMaxBytes: 2 ** 30,
};
const PERMISSIONS = ["read", "write", "invalidate", "subscribe", "observe", "inspect", "admin"];

export function makePolicyFiles(): PolicyFiles & Disposable {
  const folder = new PemFolder();
  const token = randomBytes(32).toString("base64url");
  const digest = createHash("sha256").update(token).digest("hex");
  const principal = {
    name: "bench",
    match: ["token:bench"],
    limits: LIMITS,
    allow: [{ namespaces: ["*"], may: PERMISSIONS }],
  };
  return {
    tokens: folder.write("tokens", `bench ${digest}\n`),
    policy: folder.write("policy.yaml", JSON.stringify({ principals: [principal] })),
    token,
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}
