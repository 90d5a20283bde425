/** What handlers are given with a payload, and what they are registered with. */
import type { IPCError } from "./errors.js";
import type { About } from "./messages.js";
import type { Positions } from "./positions.js";

/** What there is to know about an event. */
export interface EventContext {
  readonly event: string;
  /** Unique for this event and source. */
  readonly id: string;
  /** The full name of the service that emitted it. */
  readonly source: string;
  readonly target: string | readonly string[];
  /** Unix milliseconds. */
  readonly timestamp: number;
  readonly log: string;
  readonly position: string;
  readonly meta: Readonly<Record<string, unknown>> | undefined;
  readonly traceparent: string | undefined;
  /** Why the payload is whole, though something was selected. */
  readonly selectError: { readonly code: string } | undefined;
}

/** The same for a member of a group. */
export interface DeliveryContext extends EventContext {
  readonly group: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** Aborted when the connection is lost that the event came by: another member has it then. */
  readonly signal: AbortSignal;
  /**
   * Say that the handler is still at work, which gives it the group's `ackMs` once more.
   *
   * @throws IPCError UNKNOWN_DELIVERY, the event is not this member's any more
   */
  progress(): Promise<void>;
}

/** A handler of live events; each gets its events one at a time, in the order of each log. */
export type Handler<Payload> = (payload: Payload, context: EventContext) => unknown;

/** A handler of a group: returning acknowledges the event, throwing brings it again. */
export type GroupHandler<Payload> = (payload: Payload, context: DeliveryContext) => unknown;

/** Terms of a subscription, in JSONLex. */
export interface Terms {
  /** Chooses among the events. */
  readonly where?: unknown;
  /** Says what comes in place of the payload. */
  readonly select?: unknown;
}

/** How to subscribe to live events. */
export interface LiveOptions extends Terms {
  readonly group?: undefined;
  /** After which position in each log to begin; those of `connect` if not given, and in a log that is not in it, now. */
  readonly since?: Positions;
  /** Milliseconds to wait until it is subscribed, 10000 if not given. */
  readonly timeoutMs?: number;
}

/** How to be a member of a group. The latest terms and `retry` hold for the whole group. */
export interface GroupOptions extends Terms {
  /** Its name; the group is durable. */
  readonly group: string;
  /** Where the group begins if there is none yet; without it, now. */
  readonly since?: Positions;
  /** How many events are handled here at the same time: 1 to 1000, 64 if not given. */
  readonly credit?: number;
  /** How long an answer may take, and the pauses before further attempts, both in milliseconds. */
  readonly retry?: { readonly ackMs?: number; readonly backoffMs?: readonly number[] };
  /** Whether an event that the group has completed within a day is not handled again. */
  readonly once?: boolean;
  readonly timeoutMs?: number;
}

/** What `on` returns. */
export interface Subscription {
  readonly patterns: readonly string[];
  readonly group: string | undefined;
  /**
   * Hear no more.
   *
   * @param options `forget` deletes the group, which no other member may have
   */
  stop(options?: { readonly forget?: boolean }): Promise<void>;
}

/** Tells of what handlers throw. */
export type OnHandlerError = (error: Error, where: string) => void;

/** Tells of what went wrong and nobody waits for. */
export type OnError = (error: IPCError) => void;

/** Return what a handler is told of an event. */
export function contextOf(event: string, about: About): EventContext {
  return {
    event,
    id: about.id,
    source: about.source,
    target: about.target,
    timestamp: about.timestamp,
    log: about.log,
    position: about.position,
    meta: about.meta,
    traceparent: about.traceparent,
    selectError: about.selectError,
  };
}
