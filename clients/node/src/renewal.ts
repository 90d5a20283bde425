/** A session goes on when its token is over: it shows the bridge a new one before. */
import { asIPCError, type IPCError, LinkLostError } from "./errors.js";
import type { Session } from "./session.js";
import type { Token, TokenSource } from "./tokens.js";
import { backoffMs, MAX_TIMER_MS } from "./waiting.js";

/**
 * Renew the token of a session, each time that most of its time is over, until the session ends.
 *
 * @param onError told of each attempt that has failed; another one follows
 */
export function renewTokens(session: Session, source: TokenSource, token: Token, onError: (error: IPCError) => void): void {
  let timer: NodeJS.Timeout | undefined;
  let attempt = 0;
  let renewAt = token.renewAt;
  const plan = (afterMs: number): void => {
    if (!session.isOver && afterMs < MAX_TIMER_MS) timer = setTimeout(() => void renew(), Math.max(0, afterMs));
  };
  const renew = async (): Promise<void> => {
    try {
      const fresh = await source.token(true);
      if (session.isOver) return;
      await session.ask("ipc:auth", { token: fresh.text });
      attempt = 0;
      renewAt = fresh.renewAt;
      plan(renewAt - performance.now());
    } catch (error) {
      if (session.isOver || error instanceof LinkLostError) return;
      attempt += 1;
      onError(asIPCError(error));
      plan(backoffMs(attempt));
    }
  };
  session.atEnd(() => clearTimeout(timer));
  plan(renewAt - performance.now());
}
