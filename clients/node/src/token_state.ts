/** The state of a stateful token: a JSON value that the bridge keeps with it, for as long as it is used. */
import { IPCError } from "./errors.js";
import { sendable } from "./json.js";
import type { Link } from "./link.js";
import type { AskingOptions } from "./options.js";

const MAX_TOKEN_LENGTH = 16_384;
const MAX_STATE_BYTES = 256 * 1024;
/** What is refused with these was not begun. */
const NOT_BEGUN = new Set(["DRAINING", "RATE_LIMIT_EXCEEDED", "OVERLOADED"]);

/** How to set a state. */
export interface SetOptions extends AskingOptions {
  /** Set it only if it is this, member for member in their order; null for none yet. Else the answer is CONFLICT. */
  readonly expected?: unknown;
}

/** Reads and writes one state; `client.state` makes it. */
export class TokenState {
  readonly #link: Link;
  readonly #token: string;

  /** @throws IPCError INVALID_MESSAGE, it is no token */
  constructor(link: Link, token: string) {
    if (typeof token !== "string" || token.length < 1 || token.length > MAX_TOKEN_LENGTH) {
      // Not with the value: it would be in a log.
      throw new IPCError("INVALID_MESSAGE", `a stateful token is text of 1 to ${MAX_TOKEN_LENGTH} characters`);
    }
    this.#link = link;
    this.#token = token;
  }

  /**
   * Return the state, null where there is none.
   *
   * @throws IPCError TOKEN_INVALID and its like, the token does not hold or is another service's
   */
  async get<Value = unknown>(options: AskingOptions = {}): Promise<Value | null> {
    const message = { op: "get", token: this.#token };
    return (await this.#link.request("ipc:state", () => message, options))["value"] as Value | null;
  }

  /**
   * Set the state, any JSON of at most 256 KiB.
   *
   * With `expected` it is not asked again over a lost connection: it may have been set, and would meet itself.
   *
   * @throws IPCError CONFLICT, it is not what is expected; UNAVAILABLE or TIMEOUT, it may have been set all the same
   */
  async set(value: unknown, { expected, ...options }: SetOptions = {}): Promise<void> {
    const message = { op: "set", token: this.#token, value: bounded(value, "a state") };
    if (expected === undefined) {
      await this.#link.request("ipc:state", () => message, options);
      return;
    }
    const compared = { ...message, expected: bounded(expected, "an expected state") };
    await this.#link.request("ipc:state", () => compared, { ...options, mayRepeat: ({ code }) => NOT_BEGUN.has(code) });
  }

  /** Delete the state; where there is none, that is no error. */
  async delete(options: AskingOptions = {}): Promise<void> {
    const message = { op: "delete", token: this.#token };
    await this.#link.request("ipc:state", () => message, options);
  }
}

function bounded(value: unknown, what: string): unknown {
  return sendable(value, MAX_STATE_BYTES, what).value;
}
