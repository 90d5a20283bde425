/** Resources that this client serves: calls come in, and what a handler returns or throws is the reply. */
import { asError, IPCError } from "./errors.js";
import { sendable } from "./json.js";
import type { WireCall } from "./messages.js";
import type { Done, Session } from "./session.js";

/** A call to a resource. */
export interface ResourceCall<Data = unknown, Query = unknown> {
  readonly op: string;
  readonly resource: string;
  readonly key: string | number | undefined;
  readonly data: Data;
  readonly query: Query;
  /** The full name of the service that calls. */
  readonly source: string;
  /** Milliseconds that were left when the call came. */
  readonly deadlineMs: number;
  readonly idempotencyKey: string | undefined;
  /** Whether `data` or `query` is a JSONLex program for the owner to evaluate. */
  readonly jsonlex: boolean;
  readonly meta: Readonly<Record<string, unknown>> | undefined;
  readonly traceparent: string | undefined;
  /** Aborted when nobody waits for the reply any more. */
  readonly signal: AbortSignal;
}

/** Answers calls of one operation: what it returns is the reply, an `IPCError` is passed on, anything else is INTERNAL. */
// A handler says itself what it takes, which nothing but `any` lets it.
export type Operation = (call: ResourceCall<any, any>) => unknown;

/** The operations of a resource: `create`, `read`, `update`, `delete`, and names of its own. */
export type Operations = Readonly<Record<string, Operation>>;

/** How to serve. */
export interface ServeOptions {
  /** Calls at work here at the same time: 1 to 256, 256 if not given. */
  readonly limit?: number;
  /** A service that may take the resource over. */
  readonly handOver?: string;
}

interface Served {
  readonly operations: Operations;
  readonly options: ServeOptions;
}

/** The resources of one client. */
export class Serving {
  readonly #resources = new Map<string, Served>();
  readonly #open = new Map<string, AbortController>();
  readonly #running = new Set<Promise<void>>();
  readonly #onError: (error: unknown, where: string) => void;

  constructor(onError: (error: unknown, where: string) => void) {
    this.#onError = onError;
  }

  /** @throws IPCError CONFLICT, this client serves it already; INVALID_RESOURCE, it has no operation */
  add(resource: string, operations: Operations, options: ServeOptions): void {
    if (this.#resources.has(resource)) {
      throw new IPCError("CONFLICT", `this client serves the resource ${JSON.stringify(resource)} already`);
    }
    if (Object.keys(operations).length === 0) {
      throw new IPCError("INVALID_RESOURCE", `the resource ${JSON.stringify(resource)} has no operation`);
    }
    this.#resources.set(resource, { operations, options });
  }

  drop(resource: string): void {
    this.#resources.delete(resource);
  }

  /** Say all that this client serves. */
  async say(session: Session): Promise<void> {
    const handOver: Record<string, string> = {};
    const resources = [...this.#resources].map(([name, { operations, options }]) => {
      if (options.handOver !== undefined) handOver[name] = options.handOver;
      return { name, ops: Object.keys(operations), ...(options.limit === undefined ? {} : { limit: options.limit }) };
    });
    await session.ask("ipc:serve", { resources, ...(Object.keys(handOver).length > 0 ? { handOver } : {}) });
  }

  /** Say it on a new session, if there is anything to say. */
  async join(session: Session): Promise<void> {
    if (this.#resources.size > 0) await this.say(session);
  }

  /** Answer a call. */
  take(call: WireCall, answer: Done, session: Session): void {
    const running = this.#answer(call, answer, session);
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** Tell whoever is at work on a call that nobody waits any more. */
  cancel(callId: string, session: Session): void {
    this.#open.get(keyOf(session, callId))?.abort();
  }

  /** Serve nothing more, and wait until what has come is answered. */
  async retire(session: Session | undefined): Promise<void> {
    try {
      if (session !== undefined && this.#resources.size > 0) await session.ask("ipc:serve", { resources: [] });
    } catch {
      // The session ends, which tells the bridge the same.
    }
    await Promise.all(this.#running);
  }

  async #answer(wire: WireCall, answer: Done, session: Session): Promise<void> {
    const where = `${wire.resource}.${wire.op}`;
    const key = keyOf(session, wire.id);
    const aborter = new AbortController();
    this.#open.set(key, aborter);
    const forget = session.atEnd(() => aborter.abort());
    try {
      const operations = this.#resources.get(wire.resource)?.operations;
      if (operations === undefined || !Object.hasOwn(operations, wire.op)) {
        throw new IPCError("METHOD_NOT_ALLOWED", `${wire.resource} has no operation ${wire.op}`);
      }
      const result = await (operations[wire.op] as Operation)(callOf(wire, aborter.signal));
      const { value } = sendable(result, session.welcome.limits.dataBytes, `the reply of ${where}`);
      if (!session.isOver) answer({ success: true, data: value });
    } catch (error) {
      if (!session.isOver) answer(failure(error, where));
      if (!(error instanceof IPCError) && !aborter.signal.aborted) this.#onError(error, where);
    } finally {
      forget();
      this.#open.delete(key);
    }
  }
}

function keyOf(session: Session, callId: string): string {
  return `${session.welcome.session} ${callId}`;
}

function callOf(wire: WireCall, signal: AbortSignal): ResourceCall {
  return {
    op: wire.op,
    resource: wire.resource,
    key: wire.key,
    data: wire.data,
    query: wire.query,
    source: wire.source,
    deadlineMs: wire.deadlineMs,
    idempotencyKey: wire.idempotencyKey,
    jsonlex: wire.jsonlex === true,
    meta: wire.meta,
    traceparent: wire.traceparent,
    signal,
  };
}

function failure(thrown: unknown, where: string): Record<string, unknown> {
  if (thrown instanceof IPCError) {
    return {
      success: false,
      error: thrown.code,
      message: thrown.message,
      retryable: thrown.retryable,
      ...(thrown.retryAfterMs === undefined ? {} : { retryAfterMs: thrown.retryAfterMs }),
      ...(thrown.details === undefined ? {} : { details: thrown.details }),
    };
  }
  // What a bug says may be a secret of this service.
  return { success: false, error: "INTERNAL", message: `${where} failed (${asError(thrown).name})`, retryable: true };
}
