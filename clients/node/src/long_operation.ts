/** Long operations: work of minutes or hours that says how far it is, and that an operator can cancel. */
import { IPCError } from "./errors.js";

const MAX_TEXT = 500;
const NAME = /^[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}$/;

/** How an operation is; `lost` is one whose service has said nothing for 30 seconds. */
export type OperationStatus = "running" | "done" | "failed" | "cancelled" | "lost";

/** One operation as the bridge knows it; times in Unix milliseconds. */
export interface OperationInfo {
  readonly id: string;
  readonly name: string;
  readonly service: string;
  readonly instance: string;
  readonly target: string | null;
  readonly total: number;
  readonly done: number;
  readonly percent: number;
  readonly text: string;
  readonly status: OperationStatus;
  /** Why it has failed, or who has cancelled it. */
  readonly error: string | null;
  readonly begunMs: number;
  readonly updatedMs: number;
}

/** How to begin one. */
export interface LongOperationOptions {
  /** The service that hears `operation:progress` and how it ends; nobody if not given. */
  readonly target?: string;
  /** How much there is to do, 100 if not given. */
  readonly total?: number;
  /** Milliseconds to wait until it has begun, 10000 if not given. */
  readonly timeoutMs?: number;
}

/** What the function is given that does the work. */
export interface LongOperation {
  readonly id: string;
  readonly name: string;
  readonly total: number;
  /** How much is done, in percent, by what was said last. */
  readonly percent: number;
  /** Aborted when somebody has cancelled it, or this client is closed; the reason is what `progress` throws then. */
  readonly signal: AbortSignal;
  /**
   * Say how much of the total is done, and what is being done now.
   *
   * It waits for nobody, and may be said as often as one likes: it is sent twice a second, as it is by then.
   *
   * @param text for people, at most 500 characters
   * @throws IPCError CANCELLED, somebody has cancelled it; INVALID_MESSAGE, at once: more than all is done, or the text is
   *   too long
   */
  readonly progress: (done: number, text?: string) => Promise<void>;
}

/** Does the work: when it returns the operation is done, when it throws it has failed. */
export type LongWork<Result> = (operation: LongOperation) => Result | Promise<Result>;

/** @throws IPCError INVALID_MESSAGE, it is no name of an operation */
export function checkName(name: string): void {
  if (typeof name !== "string" || !NAME.test(name)) {
    const shown = JSON.stringify(String(name).slice(0, 80));
    throw new IPCError("INVALID_MESSAGE", `${shown} is no name of an operation: it has 1 to 64 letters, digits, ' ', '_', '.' and '-'`);
  }
}

/** @throws IPCError INVALID_MESSAGE, it is nothing, or without an end */
export function checkTotal(total: number): void {
  if (!Number.isFinite(total) || total <= 0) {
    throw new IPCError("INVALID_MESSAGE", `the total of an operation is a number and more than 0, not ${String(total)}`);
  }
}

/** @throws IPCError INVALID_MESSAGE, it is less than nothing, or more than all */
export function checkDone(done: number, total: number): void {
  if (!Number.isFinite(done) || done < 0 || done > total) {
    throw new IPCError("INVALID_MESSAGE", `of a total of ${total} between 0 and that is done, not ${String(done)}`);
  }
}

/** @throws IPCError INVALID_MESSAGE, it is too long, or no text */
export function checkText(text: string): void {
  // A character may have two units.
  if (typeof text !== "string" || text.length > 2 * MAX_TEXT || [...text].length > MAX_TEXT) {
    throw new IPCError("INVALID_MESSAGE", `the text of an operation has at most ${MAX_TEXT} characters`);
  }
}
