/** Something that every session is told, such as a subscription: it counts once a session has accepted it. */
import { IPCError, LinkLostError } from "./errors.js";
import type { Link } from "./link.js";
import type { Session } from "./session.js";
import { Deadline } from "./waiting.js";

const TIMEOUT_MS = 10_000;

/** How to have something accepted. */
export interface Wish {
  /** Have it told to each session from now on. */
  readonly add: () => void;
  /** Take that back. */
  readonly drop: (error: unknown) => void;
  /** Tell it to a session that is up. */
  readonly ask: (session: Session) => Promise<void>;
  /** Milliseconds to wait, 10000 if not given. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Have something accepted by a session, however many connections that takes; what is refused is dropped.
 *
 * @throws IPCError why it was refused, or TIMEOUT
 */
export async function accepted(link: Link, { add, drop, ask, timeoutMs = TIMEOUT_MS }: Wish): Promise<void> {
  const deadline = new Deadline(timeoutMs);
  const late = (): IPCError => new IPCError("TIMEOUT", `the bridge did not answer within ${timeoutMs} ms`);
  for (;;) {
    const session = await link.untilUp(deadline);
    add();
    try {
      return await deadline.wait(ask(session), late);
    } catch (error) {
      drop(error);
      if (!(error instanceof LinkLostError)) throw error;
    }
  }
}
