/**
 * What a client shows in its handshake: its certificate, and those behind it. Some versions of Node throw the latter away before
 * `secureConnection` (24.21, nodejs/node#65579), so they are read in the event `secure` before, where Node has them all.
 * This file alone uses that event, and that Node calls `ALPNCallback` as a method of its socket.
 */
import { X509Certificate } from "node:crypto";
import { TLSSocket, type TlsOptions } from "node:tls";
import { LRUCache } from "lru-cache";
import type { Boundary } from "../../common/boundary.ts";
import { SHOWN_MAX } from "../../security/identity/shown-chain.ts";

/** A client's own certificate, and behind it those that came with it, in their order. */
export type ShownCertificates = readonly [X509Certificate, ...X509Certificate[]];

/** The sum of their sizes as they were sent. In memory a certificate takes some times as much. */
const KNOWN_MAX_BYTES = 512 * 1024;
/** A larger one is not kept. */
const KNOWN_ONE_MAX_BYTES = 8 * 1024;

/** While the event `secure` is emitted. */
const shown = new WeakMap<TLSSocket, X509Certificate>();

/**
 * By fingerprint, those that clients have shown of late in handshakes that were completed, proven or not. What OpenSSL has of a
 * certificate is freed when its object is collected: behind thousands of handshakes a full collection took a tenth of a second for
 * that. An object that is dropped at once goes with the next young collection.
 */
const known = new LRUCache<string, X509Certificate>({
  maxSize: KNOWN_MAX_BYTES,
  maxEntrySize: KNOWN_ONE_MAX_BYTES,
  sizeCalculation: ({ raw }) => raw.length,
});

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
        // Behind Node's own listener, which emits `secureConnection`.
        this.once(
          "secure",
          boundary.guard(this, () => {
            shown.delete(this);
          }),
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

/** To be called in `secureConnection`. Undefined: it has shown none. */
export function shownCertificates(socket: TLSSocket): ShownCertificates | undefined {
  const certificate = shown.get(socket) ?? socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const behind: X509Certificate[] = [];
  let at = certificate.issuerCertificate;
  for (; at !== undefined && behind.length < SHOWN_MAX; at = at.issuerCertificate) behind.push(toKnown(at));
  return [toKnown(certificate), ...behind];
}

/** The same without those behind it, for all who show it. */
function toKnown(shownNow: X509Certificate): X509Certificate {
  const { fingerprint256 } = shownNow;
  const before = known.get(fingerprint256);
  if (before !== undefined) return before;
  const certificate = new X509Certificate(shownNow.raw);
  known.set(fingerprint256, certificate);
  return certificate;
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
