/** Memberships in durable groups: each delivery is handled beside the others, and answered for. */
import { asError, IPCError, Reject, RetryLater } from "./errors.js";
import { contextOf, type DeliveryContext, type GroupHandler, type GroupOptions } from "./events.js";
import type { About, Subscribed } from "./messages.js";
import { compilePattern } from "./patterns.js";
import type { Done, Session } from "./session.js";

const MAX_REASON = 1_000;
const MAX_TRACEBACK = 4_000;

/** A handler in a group. */
export interface Membership {
  readonly patterns: readonly string[];
  readonly options: GroupOptions;
  readonly handler: GroupHandler<unknown>;
}

/** Told of what cannot be thrown to anybody. */
export interface GroupListener {
  handlerFailed(error: unknown, where: string): void;
  gap(reasons: Readonly<Record<string, string>>): void;
}

/** The memberships of one client. */
export class Groups {
  readonly #listener: GroupListener;
  readonly #memberships = new Map<string, Membership>();
  readonly #running = new Set<Promise<void>>();
  #isRetired = false;

  constructor(listener: GroupListener) {
    this.#listener = listener;
  }

  /** @throws IPCError INVALID_PATTERN; CONFLICT, the group has a handler here already */
  add(membership: Membership): void {
    membership.patterns.forEach(compilePattern);
    const { group } = membership.options;
    if (this.#memberships.has(group)) {
      throw new IPCError("CONFLICT", `the group ${JSON.stringify(group)} has a handler in this client already`);
    }
    this.#memberships.set(group, membership);
  }

  /** Drop a handler that was never joined, or has left. */
  drop(group: string): void {
    this.#memberships.delete(group);
  }

  /** Join one group by a session. */
  async joinOne(group: string, session: Session): Promise<void> {
    const membership = this.#memberships.get(group);
    if (membership === undefined) return;
    const { timeoutMs: _, ...terms } = membership.options;
    const { reasons } = (await session.ask("ipc:subscribe", { events: membership.patterns, ...terms })) as Subscribed;
    if (reasons !== undefined && Object.keys(reasons).length > 0) this.#listener.gap(reasons);
  }

  /** Join all groups by a new session; one that refuses is no reason to stay away from the others. */
  async join(session: Session, onRefused: (error: IPCError) => void): Promise<void> {
    for (const group of this.#memberships.keys()) {
      try {
        await this.joinOne(group, session);
      } catch (error) {
        if (!(error instanceof IPCError) || error.retryable) throw error;
        onRefused(error);
      }
    }
  }

  /** Take a delivery; the bridge hands out no more than the credit. */
  take(name: string, payload: unknown, about: About, done: Done, session: Session): void {
    const membership = this.#memberships.get(about.group ?? "");
    if (membership === undefined || this.#isRetired) {
      done({ success: false, error: "this client handles the group no more", retryInMs: 0 });
      return;
    }
    const handled = this.#handle(membership, name, payload, about, done, session);
    this.#running.add(handled);
    void handled.finally(() => this.#running.delete(handled));
  }

  /** Be handed nothing more, and wait until what was handed out is handled and answered. */
  async retire(session: Session | undefined): Promise<void> {
    try {
      if (session !== undefined) {
        await Promise.all([...this.#memberships.keys()].map((group) => session.ask("ipc:unsubscribe", { events: [], group })));
      }
    } catch {
      // The session ends, which tells the bridge the same.
    }
    this.#isRetired = true;
    await Promise.all(this.#running);
  }

  async #handle(
    membership: Membership,
    name: string,
    payload: unknown,
    about: About,
    done: Done,
    session: Session,
  ): Promise<void> {
    const lost = new AbortController();
    const forget = session.atEnd(() => lost.abort());
    try {
      await membership.handler(payload, deliveryContext(name, about, session, lost.signal));
      // A later session would not know what this is about: its numbers are its own.
      if (!session.isOver) done();
    } catch (error) {
      if (!session.isOver) done(failure(error));
      this.#listener.handlerFailed(error, `${name} in the group ${about.group}`);
    } finally {
      forget();
    }
  }
}

function deliveryContext(name: string, about: About, session: Session, signal: AbortSignal): DeliveryContext {
  return {
    ...contextOf(name, about),
    group: about.group ?? "",
    attempt: about.attempt ?? 1,
    signal,
    progress: async () => {
      await session.ask("ipc:progress", { deliveries: [about.delivery] });
    },
  };
}

/** Return what says that a handler has failed. */
function failure(thrown: unknown): Record<string, unknown> {
  const error = asError(thrown);
  return {
    success: false,
    error: (error.message || error.name).slice(0, MAX_REASON),
    traceback: (error.stack ?? "").slice(0, MAX_TRACEBACK),
    ...(thrown instanceof Reject ? { reject: true } : {}),
    ...(thrown instanceof RetryLater ? { retryInMs: thrown.retryInMs } : {}),
  };
}
