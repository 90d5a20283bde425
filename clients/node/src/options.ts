/** How a client is set up. */
import type { Pem } from "./pem.js";
import type { Positions } from "./positions.js";
import type { TokenGiver } from "./tokens.js";

/** What `connect` takes. */
export interface ConnectOptions {
  /** The bridge: `https://host:port`. */
  readonly url: string;
  /** This service, by its short or its full name. */
  readonly service: string;
  /** A broker token, or a function that is called for one at each connection and renewal. */
  readonly token?: TokenGiver;
  /** The service's certificate and key, which tokens are got and renewed with; and shown to a bridge that asks for one. */
  readonly certificate?: { readonly cert: Pem; readonly key: Pem; readonly ca?: Pem };
  /** The CA that signed the bridge's certificate; without it those that Node.js trusts. */
  readonly ca?: Pem;
  /** After which positions live subscriptions begin: `client.positions` of an earlier run. */
  readonly positions?: Positions;
  /** A ULID that stays the same over restarts of this instance; made up if not given. */
  readonly instance?: string;
  /** Of the service, to be shown. */
  readonly version?: string;
  /** Websocket alone, if not given. Long-polling to several bridges needs sticky sessions. */
  readonly transports?: readonly ("websocket" | "polling")[];
  /** Milliseconds until the first connection is given up, 15000 if not given. */
  readonly connectTimeoutMs?: number;
  /** Emits that may wait for the bridge, 10000 of 8 MiB together if not given. */
  readonly maxWaiting?: number;
  readonly maxWaitingBytes?: number;
}

/** How to emit. */
export interface EmitOptions {
  /** A service, several, or `broadcast`, which it is if not given. */
  readonly target?: string | readonly string[];
  /** Unique for this event, at most 64 characters: a repeat within five minutes is dropped. Made up if not given. */
  readonly id?: string;
  /** Travels beside the payload. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Of W3C Trace Context. */
  readonly traceparent?: string;
  /** False: do not wait until it is in the log. It is sent once, and may be lost with the connection. */
  readonly requireAck?: boolean;
  /** Milliseconds to keep trying, 10000 if not given. */
  readonly timeoutMs?: number;
}

/** How to call. */
export interface CallOptions {
  /** Of the thing that it is about. */
  readonly key?: string | number;
  readonly data?: unknown;
  readonly query?: unknown;
  /** The service, or the instance, that shall answer. */
  readonly target?: string;
  /** Milliseconds to wait: at most 60000, 10000 if not given. */
  readonly timeoutMs?: number;
  /** Says that the owner may be given the call twice; at most 64 characters. */
  readonly idempotencyKey?: string;
  /** Whether `data` or `query` is a JSONLex program for the owner to evaluate. */
  readonly jsonlex?: boolean;
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly traceparent?: string;
  /** Aborting it takes the call back: the waiting ends with CANCELLED, and the owner is told. */
  readonly signal?: AbortSignal;
}

/** How to ask the bridge itself. */
export interface AskingOptions {
  /** Milliseconds to wait, 10000 if not given. */
  readonly timeoutMs?: number;
  /** Aborting it ends the waiting, with CANCELLED. */
  readonly signal?: AbortSignal;
}

/** How to ask what became of an event. */
export interface StatusOptions extends AskingOptions {
  /** The service that has emitted it, where several have used its id. */
  readonly source?: string;
  /** Where it is, as `emit` has said; both, or neither. */
  readonly log?: string;
  readonly position?: string;
}

/** How to ask who would get an event. */
export interface ExplainOptions extends AskingOptions, Pick<EmitOptions, "target" | "meta"> {
  /** Another service that would emit it, which takes the permission `*`. */
  readonly source?: string;
}

/** What `create`, `read`, `update` and `delete` take besides. */
export type OperationOptions = Omit<CallOptions, "key" | "data" | "query">;
