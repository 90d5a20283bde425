/** How the options of a client become connections and tokens. */
import { hostname } from "node:os";
import { IPCError } from "./errors.js";
import { newUlid } from "./ids.js";
import { fullName, shortName } from "./names.js";
import type { ConnectOptions } from "./options.js";
import { readTls, type TlsSources } from "./pem.js";
import type { SessionSetup } from "./session.js";
import { CertificateTokens, GivenTokens, type Token, type TokenSource } from "./tokens.js";

/** What makes the connections of a client. */
export interface Setup {
  readonly tokens: TokenSource | undefined;
  setup(token: Token | undefined): Promise<SessionSetup>;
}

/**
 * Return what makes the connections of a client.
 *
 * @throws IPCError INVALID_MESSAGE, an option is wrong
 */
export function setUp(options: ConnectOptions): Setup {
  const origin = originOf(options.url);
  const tls: Required<TlsSources> = { ca: options.ca ?? options.certificate?.ca, certificate: options.certificate };
  const about = {
    instance: options.instance ?? newUlid(),
    pid: process.pid,
    hostname: hostname(),
    ...(options.version === undefined ? {} : { version: options.version }),
  };
  return {
    tokens: tokensOf(options, origin, tls),
    setup: async (token) => ({
      address: `${origin}/ipc/${encodeURIComponent(shortName(options.service))}`,
      transports: options.transports ?? ["websocket"],
      // What this client hears it subscribes to itself, with its places in the logs.
      auth: { ...about, subscribe: [], ...(token === undefined ? {} : { token: token.text }) },
      tls: await readTls(tls),
    }),
  };
}

function tokensOf(options: ConnectOptions, origin: string, tls: Required<TlsSources>): TokenSource | undefined {
  if (options.token !== undefined && options.certificate !== undefined) {
    throw new IPCError("INVALID_MESSAGE", "give a token or a certificate: with a certificate the client gets its tokens itself");
  }
  if (options.certificate !== undefined) return new CertificateTokens(origin, fullName(options.service), tls);
  return options.token === undefined ? undefined : new GivenTokens(options.token);
}

function originOf(url: string): string {
  try {
    const { protocol, origin, search } = new URL(url);
    if (["https:", "http:"].includes(protocol) && search === "") return origin;
  } catch {
    // Said below.
  }
  throw new IPCError("INVALID_MESSAGE", `${JSON.stringify(String(url).slice(0, 100))} is no address of a bridge: write https://host:port`);
}
