/**
 * What a client shows in its handshake: its certificate, and those behind it. Some versions of Node throw the latter away before
 * `secureConnection` (24.21, nodejs/node#65579), so they are read in the event `secure` before, where Node has them all.
 * This file alone uses that event, and that Node calls `ALPNCallback` as a method of its socket.
 */
import type { X509Certificate } from "node:crypto";
import { TLSSocket, type TlsOptions } from "node:tls";
import type { Boundary } from "../../common/boundary.ts";

const shown = new WeakMap<TLSSocket, X509Certificate>();

/** For servers that ask clients for certificates and speak one protocol alone. Clients that name only others are refused. */
export function speakOnly(protocol: string, boundary: Boundary): Pick<TlsOptions, "ALPNCallback"> {
  return {
    ALPNCallback(this: unknown, { protocols }) {
      if (this instanceof TLSSocket) {
        // Node remembers it then, also for who asks after the socket was closed.
        void this.remoteAddress;
        this.prependOnceListener(
          "secure",
          boundary.guard(this, () => keep(this)),
        );
      }
      return protocols.includes(protocol) ? protocol : undefined;
    },
  };
}

function keep(socket: TLSSocket): void {
  const certificate = socket.getPeerX509Certificate();
  if (certificate !== undefined) shown.set(socket, certificate);
}

/** Behind it, as far as they are known, are those that came with it, linked by `issuerCertificate` in the order in which they came. */
export function shownCertificate(socket: TLSSocket): X509Certificate | undefined {
  return shown.get(socket) ?? socket.getPeerX509Certificate();
}

const NO_CERTIFICATE = "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE";
const CODE = /^[A-Z0-9_]{1,64}$/;

/** Why OpenSSL refused the certificate of a client whose handshake failed, or "absent". Undefined: it failed for something else. */
export function certificateFault(error: Error, socket: TLSSocket): string | undefined {
  const code = "code" in error ? error.code : undefined;
  if (code === NO_CERTIFICATE) return "absent";
  const fault = socket.authorizationError;
  if (!fault) return undefined;
  const text = String(fault);
  return CODE.test(text) ? text : "untrusted";
}
