/** One live handler: what it wants, and where it is in each log. */
import type { EventContext, Handler, Terms } from "./events.js";
import { Lane } from "./lane.js";
import { compilePattern, type Matcher, overlap } from "./patterns.js";
import { isLater, type Positions } from "./positions.js";

interface Item {
  readonly payload: unknown;
  readonly context: EventContext;
}

/** What a live handler is registered with. */
export interface LiveWish extends Terms {
  readonly patterns: readonly string[];
  readonly since: Positions | undefined;
  readonly handler: Handler<unknown>;
  readonly onError: (error: unknown, where: string) => void;
}

/** A live handler. */
export class LiveSubscription {
  readonly patterns: readonly string[];
  /** Equal for equal terms. */
  readonly terms: string;
  /** The terms as they are sent. */
  readonly shown: Terms;
  readonly #matchers: readonly Matcher[];
  readonly #since: Positions | undefined;
  readonly #lane: Lane<Item>;
  readonly #taken: Record<string, string> = {};
  readonly #handled: Record<string, string> = {};
  #hasBegun = false;

  /** @throws IPCError INVALID_PATTERN */
  constructor(wish: LiveWish) {
    this.patterns = wish.patterns;
    this.#matchers = wish.patterns.map(compilePattern);
    this.shown = {
      ...(wish.where === undefined ? {} : { where: wish.where }),
      ...(wish.select === undefined ? {} : { select: wish.select }),
    };
    this.terms = JSON.stringify([wish.where ?? null, wish.select ?? null]);
    const isSomewhere = wish.since !== undefined && Object.keys(wish.since).length > 0;
    this.#since = isSomewhere ? wish.since : undefined;
    this.#lane = new Lane(async ({ payload, context }) => {
      try {
        await wish.handler(payload, context);
      } catch (error) {
        wish.onError(error, context.event);
      }
      this.#handled[context.log] = context.position;
    });
  }

  /** Whether it knows where to begin, rather than where the log ends. */
  get hasPlace(): boolean {
    return this.#hasBegun || this.#since !== undefined;
  }

  /** After which position in each log it goes on. */
  get place(): Positions {
    return this.#hasBegun ? this.#taken : (this.#since ?? {});
  }

  /** The position in each log up to which it has handled everything. */
  get handled(): Positions {
    return this.#lane.isIdle ? this.place : { ...this.#since, ...this.#handled };
  }

  get isFull(): boolean {
    return this.#lane.isFull;
  }

  matches(name: string): boolean {
    return this.#matchers.some((matches) => matches(name));
  }

  /** Whether there can be an event that another one wants, too. */
  overlaps(other: LiveSubscription): boolean {
    return this.patterns.some((one) => other.patterns.some((two) => overlap(one, two)));
  }

  /** Whether an event comes after what it has taken: a replay for another one may bring it again. */
  isNew(log: string, position: string): boolean {
    const known = this.#taken[log];
    return this.#hasBegun && (known === undefined || isLater(position, known));
  }

  /** Begin, or go on, where the bridge says; in a log of which something is lost, at its end. */
  begin(positions: Positions, reasons: Readonly<Record<string, string>>): void {
    for (const [log, position] of Object.entries(positions)) {
      const from = reasons[log] === undefined ? (this.#taken[log] ?? this.#since?.[log] ?? position) : position;
      this.#taken[log] = from;
      this.#handled[log] ??= from;
    }
    this.#hasBegun = true;
  }

  take(payload: unknown, context: EventContext): void {
    this.#taken[context.log] = context.position;
    this.#lane.push({ payload, context });
  }

  /** Move on past what it did not want. */
  moveOn(positions: Positions): void {
    for (const [log, position] of Object.entries(positions)) {
      if (this.isNew(log, position)) this.#taken[log] = position;
    }
  }

  /** Wait until it has room again. */
  low(): Promise<void> {
    return this.#lane.low();
  }

  /** Wait until all that it has taken is handled. */
  idle(): Promise<void> {
    return this.#lane.idle();
  }
}
