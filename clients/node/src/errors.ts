/** The errors that this package throws, and those that a handler throws to say what becomes of an event. */
import { type ErrorCode, isRetryable } from "./codes.js";

/** What there is to say of an error besides its code and its text. */
export interface IPCErrorOptions {
  /** Whether the same request may succeed when it is sent again; what the table says of the code, if not given. */
  readonly retryable?: boolean | undefined;
  /** How long to wait before that, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** JSON values for the program that reads the error, such as `{ limit: 262144 }`. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

/** Why something was refused or failed: here, on the bridge, or at whoever serves a resource. */
export class IPCError extends Error {
  override readonly name: string = "IPCError";
  /** One of the table, or one of an owner's own. */
  readonly code: ErrorCode | (string & {});
  readonly retryable: boolean;
  /** Milliseconds, where it is known how long to wait. */
  readonly retryAfterMs: number | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  /** A handler of a resource throws one to answer with it. */
  constructor(code: ErrorCode | (string & {}), message: string, options: IPCErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? isRetryable(code);
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details;
  }
}

/** The session ended while an answer was awaited: what was asked may have been carried out. */
export class LinkLostError extends IPCError {
  constructor(message: string) {
    super("UNAVAILABLE", message);
  }
}

/** Thrown by a group's handler for an event that no retry can help: it becomes a dead letter at once. */
export class Reject extends Error {
  override readonly name = "Reject";
}

/** Thrown by a group's handler to have the event again after so many milliseconds, whatever the group's pauses are. */
export class RetryLater extends Error {
  override readonly name = "RetryLater";
  readonly retryInMs: number;

  constructor(retryInMs: number, message = `again in ${retryInMs} ms`) {
    super(message);
    if (!Number.isInteger(retryInMs) || retryInMs < 0) {
      throw new RangeError(`retryInMs is a whole number of milliseconds, not ${retryInMs}`);
    }
    this.retryInMs = retryInMs;
  }
}

/** What was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** What was thrown, as an error with a code. */
export function asIPCError(thrown: unknown): IPCError {
  return thrown instanceof IPCError ? thrown : new IPCError("INTERNAL", asError(thrown).message, { cause: thrown });
}

/** The error of whatever is asked of a client that is closed. */
export function closedError(): IPCError {
  return new IPCError("UNAVAILABLE", "this client is closed", { retryable: false });
}
