/** An authority, and a certificate of it for the servers of one run. */
import { createAuthority, PemFolder } from "../../test/support/certificates.ts";

/** Paths of PEM files. */
export interface ServerFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface TlsFiles extends ServerFiles, Disposable {}

/** The same P-256 certificate for every server, so that all have the same work with it. */
export function makeTlsFiles(): TlsFiles {
  const folder = new PemFolder();
  const authority = createAuthority();
  const ca = folder.write("ca.crt", authority.cert);
  const pair = folder.save("server", authority.issue());
  return { ca, ...pair, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}
