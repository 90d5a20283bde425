/**
 * The proof of who a service is: a JWT signed with the key of its certificate, which is in `x5c`.
 *
 * RFC 7523 describes the way, RFC 7515, section 4.1.6 the header, RFC 7518 the algorithms.
 */
import { createPrivateKey, type KeyObject, sign, X509Certificate } from "node:crypto";
import { IPCError } from "./errors.js";
import { newUlid } from "./ids.js";
import { BRIDGE, fullName } from "./names.js";

/** How long an assertion holds, in seconds: no longer is taken. */
export const ASSERTION_S = 60;
const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const ON_CURVES: Readonly<Record<string, readonly [string, string]>> = {
  prime256v1: ["ES256", "sha256"],
  secp384r1: ["ES384", "sha384"],
};

/**
 * Return an assertion, good for a minute and for once.
 *
 * @param service whose certificate it is
 * @param certificatePem the certificate, and perhaps what is above it
 * @param keyPem its key: RSA, or EC on P-256 or P-384
 * @throws IPCError INVALID_MESSAGE, one of them cannot be read, or the key is of another kind
 */
export function signedAssertion(service: string, certificatePem: string, keyPem: string): string {
  const { key, chain } = read(certificatePem, keyPem);
  const [algorithm, digest] = algorithmOf(key);
  const nowS = Math.floor(Date.now() / 1000);
  const name = fullName(service);
  const claims = { iss: name, sub: name, aud: BRIDGE, iat: nowS, exp: nowS + ASSERTION_S, jti: newUlid() };
  const signed = `${encoded({ alg: algorithm, typ: "JWT", x5c: chain })}.${encoded(claims)}`;
  const signature = sign(digest, Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}

function read(certificatePem: string, keyPem: string): { key: KeyObject; chain: string[] } {
  try {
    const blocks = certificatePem.match(BLOCK) ?? [];
    const chain = blocks.map((block) => new X509Certificate(block).raw.toString("base64"));
    if (chain.length === 0) throw new Error("there is no certificate in it");
    return { key: createPrivateKey(keyPem), chain };
  } catch (error) {
    // What Node says of a key that it cannot read has nothing of the key in it.
    throw new IPCError("INVALID_MESSAGE", `the certificate or its key cannot be read: ${(error as Error).message}`);
  }
}

function algorithmOf(key: KeyObject): readonly [string, string] {
  if (key.asymmetricKeyType === "rsa") return ["RS256", "sha256"];
  const found = ON_CURVES[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (key.asymmetricKeyType === "ec" && found !== undefined) return found;
  throw new IPCError("INVALID_MESSAGE", "the key is neither an RSA key nor one of P-256 or P-384");
}

function encoded(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url");
}
