/** Live subscriptions: what this client wants to hear, where it is in each log, and when it has to be left in peace. */
import { IPCError } from "./errors.js";
import { contextOf, type EventContext } from "./events.js";
import { LiveSubscription } from "./live_subscription.js";
import type { About, Subscribed } from "./messages.js";
import { earliest, type Positions } from "./positions.js";
import type { Session } from "./session.js";

const MAX_NAMES = 4_096;
/** A condition that is never true. */
const NOTHING = { $eq: [0, 1] };

/** The live subscriptions of one client, on whatever session there is. */
export class LiveSubscriptions {
  readonly #onGap: (reasons: Readonly<Record<string, string>>) => void;
  readonly #onError: (error: IPCError) => void;
  readonly #subscriptions = new Set<LiveSubscription>();
  #asked = new Set<LiveSubscription>();
  readonly #byName = new Map<string, LiveSubscription[]>();
  #session: Session | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #isPaused = false;
  #isRetired = false;

  constructor(onGap: (reasons: Readonly<Record<string, string>>) => void, onError: (error: IPCError) => void) {
    this.#onGap = onGap;
    this.#onError = onError;
  }

  /** The position in each log up to which all handlers are done. */
  get positions(): Positions {
    return earliest([...this.#subscriptions].map((subscription) => subscription.handled));
  }

  /**
   * Add a subscription; `arrange` asks for it.
   *
   * @throws IPCError CONFLICT, another one wants some of the same events in another way
   */
  add(subscription: LiveSubscription): void {
    for (const other of this.#subscriptions) {
      const isSame = other.terms === subscription.terms;
      if (!isSame && other.overlaps(subscription)) {
        throw new IPCError(
          "CONFLICT",
          `${subscription.patterns.join(", ")} and ${other.patterns.join(", ")} may want the same event with different where or select, and it comes to a session once: make one of them a group, or filter in the handler`,
        );
      }
    }
    this.#subscriptions.add(subscription);
    this.#byName.clear();
  }

  /** Take a subscription back. */
  async remove(subscription: LiveSubscription, session: Session | undefined): Promise<void> {
    this.#subscriptions.delete(subscription);
    this.#byName.clear();
    if (!this.#asked.delete(subscription) || session === undefined || session.isOver) return;
    const left = new Set([...this.#asked].flatMap((other) => other.patterns));
    const events = subscription.patterns.filter((pattern) => !left.has(pattern));
    if (events.length > 0) await session.ask("ipc:unsubscribe", { events });
  }

  /** Begin on a new session, where nothing was asked for yet. */
  async join(session: Session): Promise<void> {
    this.#session = session;
    this.#asked = new Set();
    this.#isPaused = [...this.#subscriptions].some((subscription) => subscription.isFull);
    if (this.#isPaused) void this.#resume(session);
    else await this.arrange(session);
  }

  /** Ask for what was not asked for yet; one after the other, in the order of calls. */
  arrange(session: Session): Promise<void> {
    const arranged = this.#turn.then(() => (this.#isPaused ? undefined : this.#arrange(session)));
    this.#turn = arranged.catch(() => undefined);
    return arranged;
  }

  /** Take an event. One that a handler has no room for is left to the log, and so are all that follow. */
  take(name: string, payload: unknown, about: About, session: Session): void {
    if (this.#isPaused || this.#isRetired || session !== this.#session) return;
    const wanted = this.#wanting(name).filter((subscription) => subscription.isNew(about.log, about.position));
    if (wanted.some((subscription) => subscription.isFull)) {
      this.#isPaused = true;
      void this.#resume(session);
      return;
    }
    let context: EventContext | undefined;
    for (const subscription of wanted) {
      context ??= contextOf(name, about);
      subscription.take(payload, context);
    }
  }

  /** Move on to where the bridge has nothing left to send. */
  heartbeat(positions: Positions): void {
    if (this.#isPaused) return;
    for (const subscription of this.#asked) subscription.moveOn(positions);
  }

  /** Take no more, and wait until what was taken is handled. */
  async retire(): Promise<void> {
    this.#isRetired = true;
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.idle()));
  }

  #wanting(name: string): readonly LiveSubscription[] {
    let found = this.#byName.get(name);
    if (found === undefined) {
      found = [...this.#subscriptions].filter((subscription) => subscription.matches(name));
      if (this.#byName.size >= MAX_NAMES) this.#byName.clear();
      this.#byName.set(name, found);
    }
    return found;
  }

  async #arrange(session: Session): Promise<void> {
    const all = [...this.#subscriptions];
    const placed = all.filter((subscription) => subscription.hasPlace);
    const plain = all.filter((subscription) => !subscription.hasPlace);
    const isApart = !plain.some((one) => placed.some((other) => one.overlaps(other)));
    if (plain.length > 0) await (isApart ? this.#ask(session, plain) : this.#place(session, plain));
    if (isApart && placed.every((subscription) => this.#asked.has(subscription))) return;
    // What is live beside a replay of the same events would bring them out of order: all begin at the earliest place.
    if (this.#asked.size > 0) await this.#takeBack(session);
    await this.#ask(session, all);
  }

  /** Have the bridge say where the logs end, with a condition that chooses nothing. */
  async #place(session: Session, plain: readonly LiveSubscription[]): Promise<void> {
    const message = { events: [...new Set(plain.flatMap(({ patterns }) => patterns))], where: NOTHING };
    for (const subscription of plain) this.#asked.add(subscription);
    await session.ask("ipc:subscribe", message, {
      onAnswer: ({ positions = {} }: Subscribed) => plain.forEach((subscription) => subscription.begin(positions, {})),
    });
  }

  async #takeBack(session: Session): Promise<void> {
    const events = [...new Set([...this.#asked].flatMap((subscription) => subscription.patterns))];
    this.#asked = new Set();
    if (events.length > 0) await session.ask("ipc:unsubscribe", { events });
  }

  async #ask(session: Session, wanted: readonly LiveSubscription[]): Promise<void> {
    const since = earliest(wanted.map((subscription) => subscription.place));
    const [first, ...also] = messages(wanted);
    if (first === undefined) return;
    const message = { ...first, ...(also.length > 0 ? { also } : {}), ...(Object.keys(since).length > 0 ? { since } : {}) };
    await session.ask("ipc:subscribe", message, { onAnswer: (answer) => this.#answered(wanted, answer) });
  }

  // Before the events that follow are looked at.
  #answered(wanted: readonly LiveSubscription[], { positions = {}, reasons = {} }: Subscribed): void {
    for (const subscription of wanted) {
      subscription.begin(positions, reasons);
      this.#asked.add(subscription);
    }
    this.#isPaused = false;
    if (Object.keys(reasons).length > 0) this.#onGap(reasons);
  }

  async #resume(session: Session): Promise<void> {
    const resumed = this.#turn.then(async () => {
      if (this.#asked.size > 0) await this.#takeBack(session);
      const isOver = new Promise<void>((resolve) => session.atEnd(resolve));
      await Promise.race([isOver, Promise.all([...this.#subscriptions].map((subscription) => subscription.low()))]);
      if (session.isOver) return;
      await this.#arrange(session);
      this.#isPaused = false;
    });
    this.#turn = resumed.catch(() => undefined);
    try {
      await resumed;
    } catch (error) {
      // On the next session it is asked for again.
      if (!session.isOver) this.#onError(error as IPCError);
      session.close();
    }
  }
}

/** Return what to ask for: a message for all subscriptions with the same terms. */
function messages(wanted: readonly LiveSubscription[]): Record<string, unknown>[] {
  const byTerms = new Map<string, LiveSubscription[]>();
  for (const subscription of wanted) {
    byTerms.set(subscription.terms, [...(byTerms.get(subscription.terms) ?? []), subscription]);
  }
  return [...byTerms.values()].map((same) => ({
    events: [...new Set(same.flatMap((subscription) => subscription.patterns))],
    ...same[0]?.shown,
  }));
}
