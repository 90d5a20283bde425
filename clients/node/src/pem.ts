/** Certificates and keys as PEM, given as text or by the path of a file, which is read each time it is needed. */
import { readFile } from "node:fs/promises";
import { IPCError } from "./errors.js";

/** A file could not be read: of a client that has been connected, it may be about to be renewed. */
export class UnreadableError extends IPCError {
  constructor(path: string, cause: unknown) {
    super("INVALID_MESSAGE", `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** PEM as text or bytes, or the path of a file that has it. */
export type Pem = string | Uint8Array;

/**
 * Return the text.
 *
 * @throws UnreadableError
 */
export async function readPem(pem: Pem): Promise<string> {
  if (typeof pem !== "string") return Buffer.from(pem).toString("utf8");
  if (pem.includes("-----BEGIN ")) return pem;
  try {
    return await readFile(pem, "utf8");
  } catch (error) {
    throw new UnreadableError(pem, error);
  }
}

/** What a connection shows and trusts, as Node's TLS takes it. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Whose certificates are trusted, and what is shown to a bridge that asks for a certificate. */
export interface TlsSources {
  readonly ca?: Pem | undefined;
  readonly certificate?: { readonly cert: Pem; readonly key: Pem } | undefined;
}

/** Read what a connection shows and trusts as it is now: files may have been renewed. */
export async function readTls({ ca, certificate }: TlsSources): Promise<TlsFiles> {
  return {
    ...(ca === undefined ? {} : { ca: await readPem(ca) }),
    ...(certificate === undefined
      ? {}
      : { cert: await readPem(certificate.cert), key: await readPem(certificate.key) }),
  };
}
