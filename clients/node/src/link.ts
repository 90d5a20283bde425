/** A session that is kept up: it connects again until it is closed, or refused for good. */
import { closedError, IPCError, asIPCError, LinkLostError } from "./errors.js";
import type { Hooks } from "./hooks.js";
import type { Answer } from "./messages.js";
import { UnreadableError } from "./pem.js";
import { renewTokens } from "./renewal.js";
import { ANSWER_TIMEOUT_MS, Session, type SessionListener, type SessionSetup } from "./session.js";
import type { Token, TokenSource } from "./tokens.js";
import { backoffMs, cancelledError, Deadline, deferred, type Deferred, pause } from "./waiting.js";

/** How long a session has to last so that the next attempt does not wait longer than the first, in milliseconds. */
const STEADY_MS = 5_000;
const TOKEN_CODES = new Set(["UNAUTHENTICATED", "TOKEN_EXPIRED", "TOKEN_INVALID"]);

/** What a link is told to do. */
export interface LinkSetup {
  readonly listener: SessionListener;
  readonly hooks: Hooks;
  readonly tokens: TokenSource | undefined;
  /** How to connect this time. */
  setup(token: Token | undefined): Promise<SessionSetup>;
  /** Make subscriptions, memberships and resources on a new session. */
  join(session: Session): Promise<void>;
  /** Something may be sent now, or not any more. */
  changed(session: Session | undefined): void;
}

/** How a request is repeated. */
export interface RequestOptions {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether it may be sent again, after an error; `isLost` if the connection was lost on the way. */
  readonly mayRepeat?: (error: IPCError, isLost: boolean) => boolean;
}

/** One session after another. */
export class Link {
  readonly #given: LinkSetup;
  readonly #closing = new AbortController();
  readonly #ended = deferred<IPCError | undefined>();
  #up: Deferred<Session> = deferred<Session>();
  #session: Session | undefined;
  #isUp = false;
  #lastError: IPCError | undefined;
  #askedDelayMs: number | undefined;
  #needsFreshToken = false;
  #hasBeenUp = false;
  #refusedAt = -Infinity;

  constructor(given: LinkSetup) {
    this.#given = given;
  }

  /** The session, if it is up. */
  get session(): Session | undefined {
    return this.#isUp ? this.#session : undefined;
  }

  /** Why the last connection failed or was lost. */
  get lastError(): IPCError | undefined {
    return this.#lastError;
  }

  /** Settled when there will be no other session: with why, if the bridge has refused it for good. */
  get ended(): Promise<IPCError | undefined> {
    return this.#ended.promise;
  }

  /** Whether it was closed, or refused for good. */
  get isOver(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Take note that the bridge wants to be left alone for so long. */
  delay(ms: number): void {
    this.#askedDelayMs = ms;
  }

  /** Keep a session up until it is closed, or refused for good. */
  async run(): Promise<void> {
    let attempt = 0;
    while (!this.isOver) {
      const began = performance.now();
      this.#askedDelayMs = undefined;
      const error = await this.#oneSession();
      if (this.isOver) break;
      this.#lastError = error;
      if (!this.#mayComeBack(error)) return this.#end(error);
      this.#given.hooks.call("lost", error);
      attempt = performance.now() - began > STEADY_MS ? 0 : attempt + 1;
      await pause(this.#askedDelayMs ?? error.retryAfterMs ?? backoffMs(attempt), this.#closing.signal);
    }
  }

  /**
   * Wait until a session is up.
   *
   * @throws IPCError TIMEOUT, or why there will be none
   */
  async untilUp(deadline: Deadline, signal?: AbortSignal): Promise<Session> {
    if (this.session !== undefined) return this.session;
    const late = (): IPCError => new IPCError("TIMEOUT", `there was no connection in time: ${this.#lastError?.message ?? "none was made yet"}`);
    return deadline.wait(this.#up.promise, late, signal);
  }

  /**
   * Ask the bridge, over however many connections that takes, and return the answer.
   *
   * @param argument what to send, made anew for each attempt with the milliseconds that are left
   * @throws IPCError it was refused, or not answered in time
   */
  async request(name: string, argument: (leftMs: number) => unknown, options: RequestOptions = {}): Promise<Answer> {
    const deadline = new Deadline(options.timeoutMs ?? ANSWER_TIMEOUT_MS);
    for (let attempt = 1; ; attempt += 1) {
      const session = await this.untilUp(deadline, options.signal);
      try {
        const timeoutMs = deadline.leftMs;
        return await session.ask(name, argument(timeoutMs), { timeoutMs, signal: options.signal });
      } catch (thrown) {
        const error = asIPCError(thrown);
        const mayRepeat = options.mayRepeat ?? ((found) => found.retryable);
        const pauseMs = Math.max(backoffMs(attempt), error.retryAfterMs ?? 0);
        if (error.code === "TIMEOUT" || pauseMs >= deadline.leftMs) throw error;
        if (!mayRepeat(error, error instanceof LinkLostError)) throw error;
        await pause(pauseMs, options.signal);
        if (options.signal?.aborted === true) throw cancelledError(options.signal);
      }
    }
  }

  /** End the session, and make no other. */
  close(error?: IPCError): void {
    if (!this.isOver) this.#end(error);
  }

  async #oneSession(): Promise<IPCError> {
    let session: Session | undefined;
    try {
      const token = await this.#token();
      const setup = await this.#given.setup(token);
      if (this.isOver) return closedError();
      session = this.#session = new Session(setup, this.#given.listener);
      await session.opened(ANSWER_TIMEOUT_MS);
      await this.#given.join(session);
      if (session.isOver) return (await session.ended).error;
      this.#wentUp(session, token);
      return (await session.ended).error;
    } catch (error) {
      session?.close();
      return asIPCError(error);
    } finally {
      this.#wentDown();
    }
  }

  async #token(): Promise<Token | undefined> {
    const isFresh = this.#needsFreshToken;
    const token = await this.#given.tokens?.token(isFresh);
    this.#needsFreshToken = false;
    return token;
  }

  #wentUp(session: Session, token: Token | undefined): void {
    this.#isUp = this.#hasBeenUp = true;
    this.#up.resolve(session);
    this.#given.changed(session);
    this.#given.hooks.call("ready", session.welcome);
    if (token !== undefined && this.#given.tokens !== undefined) {
      renewTokens(session, this.#given.tokens, token, (error) => this.#given.hooks.call("error", error));
    }
  }

  #wentDown(): void {
    const wasUp = this.#isUp;
    this.#isUp = false;
    this.#session = undefined;
    if (!wasUp) return;
    if (!this.isOver) this.#up = deferred();
    this.#given.changed(undefined);
  }

  #mayComeBack(error: IPCError): boolean {
    if (error.retryable || (error instanceof UnreadableError && this.#hasBeenUp)) return true;
    // Such as on a machine that has slept: one new token, and if that is refused, too, it is for good.
    if (TOKEN_CODES.has(error.code) && this.#given.tokens?.isRenewable === true && this.#isFirstRefusal()) {
      this.#needsFreshToken = true;
      return true;
    }
    return false;
  }

  #isFirstRefusal(): boolean {
    const before = this.#refusedAt;
    this.#refusedAt = performance.now();
    return this.#refusedAt - before > 2 * STEADY_MS;
  }

  #end(error: IPCError | undefined): void {
    this.#closing.abort();
    const up = this.#up;
    this.#up = deferred();
    for (const waiting of [up, this.#up]) waiting.reject(error ?? closedError());
    this.#session?.close();
    this.#ended.resolve(error);
    this.#given.hooks.call("closed", error);
  }
}
