/** Where a client has its broker token from: given, asked for, or by the certificate of its service. */
import { signedAssertion } from "./assertion.js";
import { IPCError } from "./errors.js";
import { readPem, readTls, type TlsSources } from "./pem.js";
import { postJson } from "./post.js";

const PATH = "/api/ipc/tokens";
/** The part of its time after which a token is renewed: a bridge that is away for a while costs nothing. */
const RENEW_AFTER = 2 / 3;
const AGAIN = new Set([408, 425, 429, 500, 502, 503, 504]);

/** A token, and when another one is wanted, by the clock of `performance.now()`; infinite for never. */
export interface Token {
  readonly text: string;
  readonly renewAt: number;
}

/** A token, or what gives one: it is called for each connection and for each renewal. */
export type TokenGiver = string | (() => string | Promise<string>);

/** Gives tokens. */
export interface TokenSource {
  /** Whether a new token can be had when one does not hold any more. */
  readonly isRenewable: boolean;
  /** Return a token that holds; a new one if `isFresh`. */
  token(isFresh?: boolean): Promise<Token>;
}

/** A token that somebody has made, or a function that has one. */
export class GivenTokens implements TokenSource {
  readonly #giver: TokenGiver;
  readonly isRenewable: boolean;

  constructor(giver: TokenGiver) {
    this.#giver = giver;
    this.isRenewable = typeof giver === "function";
  }

  async token(): Promise<Token> {
    const text = typeof this.#giver === "string" ? this.#giver : await this.#giver();
    return { text, renewAt: this.isRenewable ? renewalOf(text) : Infinity };
  }
}

/** Tokens that a bridge gives for a certificate; nothing secret leaves this process. */
export class CertificateTokens implements TokenSource {
  readonly isRenewable = true;
  readonly #url: string;
  readonly #service: string;
  readonly #tls: Required<TlsSources>;
  #token: Token | undefined;

  /**
   * @param bridgeUrl of the bridge, `https://host:port`
   * @param service whose certificate it is
   */
  constructor(bridgeUrl: string, service: string, tls: Required<TlsSources>) {
    this.#url = new URL(PATH, bridgeUrl).href;
    this.#service = service;
    this.#tls = tls;
  }

  /** @throws IPCError UNAVAILABLE, none can be had right now; otherwise the bridge gives none, and says why */
  async token(isFresh = false): Promise<Token> {
    if (isFresh || this.#token === undefined || performance.now() >= this.#token.renewAt) {
      this.#token = await this.#new();
    }
    return this.#token;
  }

  async #new(): Promise<Token> {
    const certificate = this.#tls.certificate;
    if (certificate === undefined) throw new IPCError("INVALID_MESSAGE", "there is no certificate to show");
    const assertion = signedAssertion(
      this.#service,
      await readPem(certificate.cert),
      await readPem(certificate.key),
    );
    const began = performance.now();
    const { status, body } = await postJson(this.#url, { assertion }, await readTls(this.#tls));
    if (AGAIN.has(status)) throw new IPCError("UNAVAILABLE", `${this.#url} gives no token right now: HTTP ${status}`);
    if (status < 200 || status > 299) throw refusal(this.#url, status, body);
    const given = (body as { data?: { token?: unknown; expiresInMs?: unknown } } | undefined)?.data;
    if (typeof given?.token !== "string" || typeof given.expiresInMs !== "number") {
      throw new IPCError("INVALID_MESSAGE", `${this.#url} answers something else than a token`);
    }
    return { text: given.token, renewAt: began + given.expiresInMs * RENEW_AFTER };
  }
}

function refusal(url: string, status: number, body: unknown): IPCError {
  const said = (body ?? {}) as { error?: unknown; message?: unknown };
  if (typeof said.error !== "string") return new IPCError("INVALID_MESSAGE", `${url} gives no token: HTTP ${status}`);
  return new IPCError(said.error, `${url} gives no token: ${String(said.message)}`);
}

/** When a token is to be renewed that says itself how long it holds; nobody verifies it here. */
function renewalOf(text: string): number {
  try {
    const claims = JSON.parse(Buffer.from(text.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;
    const leftS = typeof claims["exp"] === "number" ? claims["exp"] - Date.now() / 1000 : Infinity;
    return performance.now() + Math.max(1, leftS) * 1000 * RENEW_AFTER;
  } catch {
    return Infinity;
  }
}
