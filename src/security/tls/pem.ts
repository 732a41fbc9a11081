/** Reads certificates and keys from the text of PEM files, and says what is wrong with them. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { fieldInvalid } from "../../common/errors.ts";

const BEGIN = "-----BEGIN CERTIFICATE-----";
const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** All certificates of the text, at least one. Throws FIELD_INVALID for `field`: Node itself ignores what it cannot read. */
export function readCertificates(field: string, text: string): X509Certificate[] {
  const blocks = text.match(BLOCK) ?? [];
  if (blocks.length === 0 || blocks.length !== text.split(BEGIN).length - 1) throw noCertificates(field);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    throw noCertificates(field);
  }
}

/** Throws FIELD_INVALID when `keyText` is no key, or not that of the certificate. `field` is what the options are in. */
export function checkKey(field: string, keyText: string, certificate: X509Certificate): void {
  let key: KeyObject;
  try {
    key = createPrivateKey(keyText);
  } catch {
    throw fieldInvalid(`${field}.key`, "a private key in PEM without a passphrase");
  }
  if (!certificate.checkPrivateKey(key))
    throw fieldInvalid(`${field}.key`, `the key of the first certificate in ${field}.cert`);
}

function noCertificates(field: string) {
  return fieldInvalid(field, "certificates in PEM, one or more");
}

/** Throws FIELD_INVALID for a certificate that is not valid now. */
export function checkValidity(field: string, certificate: X509Certificate, wallNowMs: number): void {
  if (certificate.validFromDate.getTime() > wallNowMs)
    throw fieldInvalid(field, `valid now, and not from ${certificate.validFromDate.toISOString()} on`);
  if (certificate.validToDate.getTime() <= wallNowMs)
    throw fieldInvalid(field, `valid now, and not until ${certificate.validToDate.toISOString()}`);
}
