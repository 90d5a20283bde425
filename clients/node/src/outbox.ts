/** Emits that are not in the log yet: sent in their order, again on each connection, until they are or their time is over. */
import { closedError, IPCError, LinkLostError } from "./errors.js";
import type { Answer } from "./messages.js";
import type { Session } from "./session.js";
import type { Positions } from "./positions.js";
import { backoffMs, Deadline, deferred, MAX_TIMER_MS } from "./waiting.js";

/** How many emits may be on their way without an answer. */
const WINDOW = 256;

/** Where an event is. */
export interface Emitted {
  readonly id: string;
  /** In the first of its logs; undefined without an acknowledgement. */
  readonly position: string | undefined;
  readonly positions: Positions;
  /** Whether it was there already, under the same id. */
  readonly duplicate: boolean;
}

/** An `ipc:emit`, and the bytes of its JSON. */
export interface Emit {
  readonly message: Readonly<Record<string, unknown>> & { readonly id: string; readonly event: string };
  readonly bytes: number;
  readonly requireAck: boolean;
  readonly timeoutMs: number;
}

/** How much may wait. */
export interface OutboxBounds {
  readonly messages: number;
  readonly bytes: number;
}

interface Pending {
  readonly emit: Emit;
  readonly resolve: (emitted: Emitted) => void;
  readonly reject: (error: unknown) => void;
  readonly deadline: Deadline;
  timer: NodeJS.Timeout | undefined;
  attempt: number;
  lastError: IPCError | undefined;
}

/** The emits of one client. */
export class Outbox {
  readonly #bounds: OutboxBounds;
  readonly #sent = new Set<Pending>();
  readonly #refused = new Set<string>();
  #waiting = new Set<Pending>();
  readonly #pausing = new Map<Pending, NodeJS.Timeout>();
  #bytes = 0;
  #session: Session | undefined;
  #closed: IPCError | undefined;
  readonly #empty = new Set<() => void>();

  constructor(bounds: OutboxBounds) {
    this.#bounds = bounds;
  }

  /** How many are not in the log yet. */
  get size(): number {
    return this.#sent.size + this.#waiting.size + this.#pausing.size;
  }

  /** Whether the refusal of an emit was told to whoever waits for it; the bridge sends it a second time, as an event. */
  knows(id: string): boolean {
    return this.#refused.delete(id);
  }

  /**
   * Emit, and return where the event is.
   *
   * @throws IPCError OVERLOADED, too much waits; TIMEOUT, it may be in the log all the same; or why it was refused
   */
  put(emit: Emit): Promise<Emitted> {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.size >= this.#bounds.messages || this.#bytes + emit.bytes > this.#bounds.bytes) {
      throw new IPCError(
        "OVERLOADED",
        `${emit.message.event} was not emitted: ${this.size} events of ${this.#bytes} bytes wait for the bridge, and no more than ${this.#bounds.messages} of ${this.#bounds.bytes} may`,
        { details: { waiting: this.size, bytes: this.#bytes } },
      );
    }
    const { promise, resolve, reject } = deferred<Emitted>();
    const pending: Pending = {
      emit,
      resolve,
      reject,
      deadline: new Deadline(emit.timeoutMs),
      timer: undefined,
      attempt: 0,
      lastError: undefined,
    };
    pending.timer = setTimeout(() => this.#late(pending), Math.min(emit.timeoutMs, MAX_TIMER_MS));
    this.#bytes += emit.bytes;
    this.#waiting.add(pending);
    this.#pump();
    return promise;
  }

  /** Take note of a new session, or that there is none: what has no answer is sent again on the next one. */
  changed(session: Session | undefined): void {
    this.#session = session;
    if (session === undefined) {
      this.#waiting = new Set([...this.#sent, ...this.#waiting]);
      this.#sent.clear();
      this.#refused.clear();
    } else {
      this.#pump();
    }
  }

  /** Wait until nothing waits any more. */
  async flushed(): Promise<void> {
    if (this.size === 0) return;
    await new Promise<void>((resolve) => this.#empty.add(resolve));
  }

  /** Give up what still waits. */
  close(error: IPCError = closedError()): void {
    this.#closed = error;
    for (const pending of [...this.#sent, ...this.#waiting, ...this.#pausing.keys()]) {
      this.#drop(pending);
      pending.reject(
        new IPCError(error.code, `${pending.emit.message.event} may not be in the log: ${error.message}`, { retryable: false }),
      );
    }
  }

  #pump(): void {
    const session = this.#session;
    if (session === undefined) return;
    for (const pending of this.#waiting) {
      if (this.#sent.size >= WINDOW) return;
      this.#waiting.delete(pending);
      this.#send(pending, session);
    }
  }

  #send(pending: Pending, session: Session): void {
    const { message, requireAck } = pending.emit;
    // With a callback, `ipc:ack` would only say the same again.
    const options = { requireAck: false };
    if (!requireAck) {
      session.tell("ipc:emit", { ...message, options });
      this.#drop(pending);
      pending.resolve({ id: message.id, position: undefined, positions: {}, duplicate: false });
      return;
    }
    this.#sent.add(pending);
    session.askBy("ipc:emit", { ...message, options }, (answer, error) => this.#answered(pending, answer, error));
  }

  #answered(pending: Pending, answer: Answer | undefined, error: IPCError | undefined): void {
    if (error instanceof LinkLostError) return;
    if (error !== undefined) this.#refused.add(pending.emit.message.id);
    // Given up meanwhile.
    if (!this.#sent.has(pending)) return;
    if (answer !== undefined) {
      this.#drop(pending);
      pending.resolve(emittedOf(pending.emit.message.id, answer));
    } else if (error?.retryable === true) {
      this.#again(pending, error);
    } else {
      this.#drop(pending);
      pending.reject(error);
    }
    this.#pump();
  }

  #again(pending: Pending, error: IPCError): void {
    pending.attempt += 1;
    pending.lastError = error;
    const pauseMs = Math.max(backoffMs(pending.attempt), error.retryAfterMs ?? 0);
    if (error.retryAfterMs !== undefined && pauseMs > pending.deadline.leftMs) {
      // Waiting would only make it late.
      this.#drop(pending);
      pending.reject(error);
      return;
    }
    this.#sent.delete(pending);
    const timer = setTimeout(() => {
      this.#pausing.delete(pending);
      this.#waiting.add(pending);
      this.#pump();
    }, pauseMs);
    this.#pausing.set(pending, timer);
  }

  #late(pending: Pending): void {
    this.#drop(pending);
    const why = pending.lastError?.message ?? (this.#session === undefined ? "there is no connection" : "the bridge has not answered");
    pending.reject(
      new IPCError("TIMEOUT", `${pending.emit.message.event} was not acknowledged within ${pending.emit.timeoutMs} ms: ${why}`, {
        details: { id: pending.emit.message.id },
      }),
    );
    this.#pump();
  }

  #drop(pending: Pending): void {
    clearTimeout(pending.timer);
    clearTimeout(this.#pausing.get(pending));
    this.#pausing.delete(pending);
    this.#sent.delete(pending);
    this.#waiting.delete(pending);
    this.#bytes -= pending.emit.bytes;
    if (this.size > 0) return;
    for (const resolve of this.#empty) resolve();
    this.#empty.clear();
  }
}

function emittedOf(id: string, answer: Answer): Emitted {
  return {
    id,
    position: answer["position"] as string | undefined,
    positions: (answer["positions"] as Positions | undefined) ?? {},
    duplicate: answer["duplicate"] === true,
  };
}
