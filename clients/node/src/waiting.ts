/** Waiting that ends: a promise to be settled elsewhere, a deadline, a pause. */
import { IPCError } from "./errors.js";

/** The longest time that a timer of Node can be set to: a longer one would end at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** A promise, and what settles it. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** Return a promise that is settled elsewhere; one that nobody waits for is no unhandled rejection. */
export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((one, other) => {
    resolve = one;
    reject = other;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

/** A moment until which something may take. */
export class Deadline {
  readonly #endsAt: number;

  /** @param afterMs milliseconds from now */
  constructor(afterMs: number) {
    this.#endsAt = performance.now() + afterMs;
  }

  /** Milliseconds that are left, 0 when it is past. */
  get leftMs(): number {
    return Math.max(0, this.#endsAt - performance.now());
  }

  /**
   * Wait for a promise until the deadline.
   *
   * @param promise what is waited for
   * @param error makes what is thrown when the deadline is past
   * @param signal ends the waiting, with CANCELLED
   */
  async wait<T>(promise: Promise<T>, error: () => IPCError, signal?: AbortSignal): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    let cancel: (() => void) | undefined;
    const ended = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(error()), Math.min(this.leftMs, MAX_TIMER_MS));
      if (signal !== undefined) {
        cancel = () => reject(cancelledError(signal));
        if (signal.aborted) cancel();
        else signal.addEventListener("abort", cancel, { once: true });
      }
    });
    try {
      return await Promise.race([promise, ended]);
    } finally {
      clearTimeout(timer);
      if (cancel !== undefined) signal?.removeEventListener("abort", cancel);
    }
  }
}

/** The error of what is not waited for any more. */
export function cancelledError(signal: AbortSignal): IPCError {
  return new IPCError("CANCELLED", "it was cancelled here", { cause: signal.reason });
}

/** Wait so many milliseconds, or until the signal says to stop; it never throws. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, Math.min(ms, MAX_TIMER_MS));
    signal?.addEventListener("abort", done, { once: true });
  });
}

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;

/** Return how long to wait before an attempt, in milliseconds: twice as long each time, spread so that a crowd comes back apart. */
export function backoffMs(attempt: number): number {
  return Math.random() * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(attempt, 10));
}
