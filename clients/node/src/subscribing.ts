/** What `on` does: live handlers and members of groups, from the call to what it returns. */
import { accepted } from "./accepted.js";
import { IPCError } from "./errors.js";
import type { GroupHandler, GroupOptions, Handler, LiveOptions, Subscription } from "./events.js";
import type { Groups } from "./groups.js";
import type { Link } from "./link.js";
import type { LiveSubscriptions } from "./live.js";
import { LiveSubscription } from "./live_subscription.js";
import type { Positions } from "./positions.js";

/** Makes subscriptions for a client. */
export class Subscribing {
  readonly #link: Link;
  readonly #live: LiveSubscriptions;
  readonly #groups: Groups;
  readonly #since: Positions | undefined;
  readonly #onError: (error: unknown, where: string) => void;

  /**
   * @param since where live handlers begin that do not say it themselves
   * @param onError told of what live handlers throw
   */
  constructor(
    link: Link,
    live: LiveSubscriptions,
    groups: Groups,
    since: Positions | undefined,
    onError: (error: unknown, where: string) => void,
  ) {
    this.#link = link;
    this.#live = live;
    this.#groups = groups;
    this.#since = since;
    this.#onError = onError;
  }

  /** Do what `IPCClient.on` says. */
  async on(
    patterns: string | readonly string[],
    optionsOrHandler: LiveOptions | GroupOptions | Handler<never>,
    givenHandler: Handler<never> | GroupHandler<never> | undefined,
  ): Promise<Subscription> {
    const events = typeof patterns === "string" ? [patterns] : [...patterns];
    const isShort = typeof optionsOrHandler === "function";
    const options = isShort ? {} : optionsOrHandler;
    const handler = (isShort ? optionsOrHandler : givenHandler) as GroupHandler<unknown> | undefined;
    if (typeof handler !== "function") throw new TypeError("on() needs a handler: on(patterns, options?, handler)");
    return options.group === undefined
      ? this.#hearLive(events, options, handler as Handler<unknown>)
      : this.#joinGroup(events, options, handler);
  }

  async #hearLive(patterns: readonly string[], options: LiveOptions, handler: Handler<unknown>): Promise<Subscription> {
    const subscription = new LiveSubscription({
      patterns,
      where: options.where,
      select: options.select,
      since: options.since ?? this.#since,
      handler,
      onError: this.#onError,
    });
    const stop = (): Promise<void> => this.#live.remove(subscription, this.#link.session);
    await accepted(this.#link, {
      add: () => this.#live.add(subscription),
      drop: () => void stop().catch(() => undefined),
      ask: (session) => this.#live.arrange(session),
      timeoutMs: options.timeoutMs,
    });
    return { patterns, group: undefined, stop };
  }

  async #joinGroup(patterns: readonly string[], options: GroupOptions, handler: GroupHandler<unknown>): Promise<Subscription> {
    const { group } = options;
    await accepted(this.#link, {
      add: () => this.#groups.add({ patterns, options, handler }),
      drop: (error) => {
        this.#groups.drop(group);
        // It may be a member all the same.
        const isLate = error instanceof IPCError && error.code === "TIMEOUT";
        if (isLate) this.#link.session?.tell("ipc:unsubscribe", { events: [], group });
      },
      ask: (session) => this.#groups.joinOne(group, session),
      timeoutMs: options.timeoutMs,
    });
    const stop = async ({ forget = false }: { readonly forget?: boolean } = {}): Promise<void> => {
      await this.#link.request("ipc:unsubscribe", () => ({ events: [], group, forget }));
      this.#groups.drop(group);
    };
    return { patterns, group, stop };
  }
}
