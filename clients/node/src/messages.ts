/** What the bridge's Socket.IO door says, as it says it. */
import { IPCError } from "./errors.js";
import type { Positions } from "./positions.js";

/** The bounds of a session that this package looks at; sizes in bytes. */
export interface Limits {
  readonly frameBytes: number;
  readonly dataBytes: number;
}

/** The first thing that a session hears. */
export interface Welcome {
  readonly session: string;
  /** This running copy of the service: its full name, `:`, and a ULID. */
  readonly instance: string;
  readonly service: string;
  readonly limits: Limits;
  readonly heartbeatMs: number;
}

/** What comes with an event besides its payload. */
export interface About {
  readonly id: string;
  readonly source: string;
  readonly target: string | readonly string[];
  readonly log: string;
  readonly position: string;
  readonly timestamp: number;
  readonly event?: string;
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly traceparent?: string;
  readonly selectError?: { readonly code: string };
  readonly group?: string;
  readonly delivery?: string;
  readonly attempt?: number;
}

/** A call to a resource that this session serves. */
export interface WireCall {
  readonly id: string;
  readonly op: string;
  readonly resource: string;
  readonly key?: string | number;
  readonly data?: unknown;
  readonly query?: unknown;
  readonly source: string;
  readonly deadlineMs: number;
  readonly idempotencyKey?: string;
  readonly jsonlex?: boolean;
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly traceparent?: string;
}

/** Something to know about the session: `draining`, `token_expiring`, `revoked`, `rate_warning`, `cancelled`. */
export interface Notice {
  readonly notice: string;
  readonly [member: string]: unknown;
}

/** The notice before the bridge closes a session. */
export interface ClosedNotice extends Notice {
  readonly code: number;
  readonly error: string;
  readonly message: string;
  readonly reconnect: boolean;
}

/** Why something was refused. */
export interface Refusal {
  readonly error: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly details?: Readonly<Record<string, unknown>>;
  /** The id of the emit or request, and what it was. */
  readonly id?: string;
  readonly request?: string;
  readonly event?: string;
}

/** What a callback is called with when all went well. */
export type Answer = Readonly<Record<string, unknown>>;

/** The answer to a subscription. */
export interface Subscribed {
  readonly positions?: Positions;
  readonly recovered?: boolean;
  readonly reasons?: Readonly<Record<string, string>>;
}

/** Return a refusal as an error. */
export function errorFrom(refusal: Refusal): IPCError {
  return new IPCError(refusal.error, refusal.message, {
    retryable: refusal.retryable,
    retryAfterMs: refusal.retryAfterMs,
    details: refusal.details,
  });
}
