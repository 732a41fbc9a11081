/**
 * Whether authorities prove a client's certificate by those that the client has shown with it, and until when. The handshake has
 * verified that already, for the authorities of its beginning: this is for those that come later, and for what expires first.
 */
import type { X509Certificate } from "node:crypto";
import { LRUCache } from "lru-cache";

/** Certificates from a client's to its authority. */
const CHAIN_MAX = 10;
/** Certificates that a client shows beside its own. What is beyond is not looked at. */
export const SHOWN_MAX = 16;
/** Certificates whose issuers are looked for, in one search. */
const STEPS_MAX = 64;

const SIGNATURES_MAX = 1_024;

/** Signatures that were verified of late, by the fingerprints of both certificates: most clients come again with the same ones. */
const signatures = new LRUCache<string, boolean>({ max: SIGNATURES_MAX });

/** What a server trusts in at a time. */
export class ClientAuthorities {
  readonly all: readonly X509Certificate[];
  readonly #fingerprints: ReadonlySet<string>;
  /** A chain ends in one of these, as OpenSSL wants it. */
  readonly #roots: ReadonlySet<string>;
  readonly #byName = new Map<string, X509Certificate[]>();

  constructor(certificates: readonly X509Certificate[]) {
    this.all = certificates;
    this.#fingerprints = new Set(certificates.map(({ fingerprint256 }) => fingerprint256));
    const roots = certificates.filter(isSelfSigned);
    this.#roots = new Set(roots.map(({ fingerprint256 }) => fingerprint256));
    for (const one of certificates) {
      const name = nameIn(one.subject);
      const known = this.#byName.get(name);
      if (known === undefined) this.#byName.set(name, [one]);
      else known.push(one);
    }
  }

  has({ fingerprint256 }: X509Certificate): boolean {
    return this.#fingerprints.has(fingerprint256);
  }

  isRoot({ fingerprint256 }: X509Certificate): boolean {
    return this.#roots.has(fingerprint256);
  }

  named(name: string): readonly X509Certificate[] {
    return this.#byName.get(name) ?? [];
  }
}

export class ShownChain {
  readonly #certificate: X509Certificate;
  readonly #shown: readonly X509Certificate[];
  /** Authorities that the handshake had, where it is not known which of them proves the certificate. */
  #reliedOn: readonly X509Certificate[] | undefined;

  /** `shown`: in any order. */
  constructor(certificate: X509Certificate, shown: readonly X509Certificate[]) {
    this.#certificate = certificate;
    this.#shown = [...new Map(shown.slice(0, SHOWN_MAX).map((one) => [one.fingerprint256, one])).values()];
  }

  /**
   * A handshake that began with these authorities has verified it. Where no chain to them is known here, it is proven for as long
   * as all of them are there.
   */
  verifiedWith(authorities: ClientAuthorities, wallNowMs: number): void {
    if (this.#untilMs(authorities, wallNowMs) !== undefined) return;
    this.#reliedOn = authorities.all.filter((one) => isValidAt(one, wallNowMs));
  }

  /**
   * When the first certificate of its chain expires, in milliseconds since 1970; of several chains, that of the one which lasts
   * longest. Undefined: these authorities do not prove it.
   */
  provenUntilMs(authorities: ClientAuthorities, wallNowMs: number): number | undefined {
    const untilMs = this.#untilMs(authorities, wallNowMs);
    if (untilMs !== undefined) return untilMs;
    const isKnown = this.#reliedOn?.every((one) => authorities.has(one)) ?? false;
    return isKnown ? this.#certificate.validToDate.getTime() : undefined;
  }

  #untilMs(authorities: ClientAuthorities, wallNowMs: number): number | undefined {
    let steps = 0;
    const search = (link: X509Certificate, depth: number): number | undefined => {
      steps += 1;
      if (steps > STEPS_MAX || depth > CHAIN_MAX || !isValidAt(link, wallNowMs)) return undefined;
      const ownMs = link.validToDate.getTime();
      if (authorities.isRoot(link)) return ownMs;
      let bestMs: number | undefined;
      for (const issuer of this.#issuersOf(link, authorities)) {
        const aboveMs = search(issuer, depth + 1);
        if (aboveMs !== undefined) bestMs = Math.max(bestMs ?? 0, Math.min(ownMs, aboveMs));
      }
      return bestMs;
    };
    return search(this.#certificate, 1);
  }

  #issuersOf(link: X509Certificate, authorities: ClientAuthorities): X509Certificate[] {
    const name = nameIn(link.issuer);
    const shown = this.#shown.filter(({ ca, subject }) => ca && nameIn(subject) === name);
    return [...authorities.named(name), ...shown].filter(
      (issuer) => link.checkIssued(issuer) && isSignedBy(link, issuer),
    );
  }
}

/** The same for names that OpenSSL takes for the same: case and the number of spaces do not matter (RFC 5280, section 7.1). */
function nameIn(text: string): string {
  return text.toLowerCase().replace(/ +/g, " ");
}

function isValidAt({ validFromDate, validToDate }: X509Certificate, wallNowMs: number): boolean {
  return validFromDate.getTime() <= wallNowMs && wallNowMs < validToDate.getTime();
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && isSignedBy(certificate, certificate);
}

function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  const both = `${certificate.fingerprint256} ${issuer.fingerprint256}`;
  const known = signatures.get(both);
  if (known !== undefined) return known;
  const isSigned = verifies(certificate, issuer);
  signatures.set(both, isSigned);
  return isSigned;
}

/** A key of a kind that OpenSSL does not know has signed nothing. */
function verifies(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}
