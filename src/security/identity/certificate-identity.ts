/** Who a client certificate is of: its SPIFFE id, or its DNS name. */
/** A SPIFFE id: its trust domain and its path, by the SPIFFE-ID standard (sections 2.1 to 2.3). */
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*$/;
const SPIFFE_ID_MAX_BYTES = 2_048;
const DNS_NAME = /^[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9])?$/;

/**
 * Undefined: the certificate names nobody, or more than one. It must have one URI, a SPIFFE id (X509-SVID, section 2); or no URI
 * and one DNS name.
 */
export function nameOfCertificate(subjectAltName: string | undefined): string | undefined {
  // Node quotes names with a comma or a quote in them. No name that is taken here has one.
  const names = (subjectAltName ?? "").split(", ");
  if (names.some((name) => name.includes('"'))) return undefined;
  const of = (kind: string) =>
    names.filter((name) => name.startsWith(kind)).map((name) => name.slice(kind.length));
  const [uri, ...otherUris] = of("URI:");
  if (otherUris.length > 0) return undefined;
  if (uri !== undefined) return SPIFFE_ID.test(uri) && uri.length <= SPIFFE_ID_MAX_BYTES ? uri : undefined;
  const [dns, ...otherDns] = of("DNS:").map((name) => name.toLowerCase());
  return dns !== undefined && otherDns.length === 0 && DNS_NAME.test(dns) ? `dns:${dns}` : undefined;
}
