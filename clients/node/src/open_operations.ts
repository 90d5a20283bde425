/** The long operations that one client is at. */
import { closedError, type IPCError } from "./errors.js";
import { sendable } from "./json.js";
import type { Link } from "./link.js";
import { checkName, checkTotal, type LongOperationOptions, type LongWork, type OperationInfo } from "./long_operation.js";
import { OpenOperation } from "./open_operation.js";

const DEFAULT_TOTAL = 100;
const MAX_BEGIN_BYTES = 1024;

/** Begins them, and tells them what comes by the link. */
export class OpenOperations {
  readonly #onError: (error: IPCError) => void;
  readonly #open = new Map<string, OpenOperation>();
  readonly #running = new Set<Promise<unknown>>();
  #ended: IPCError | undefined;

  /** @param onError told of what nobody waits for */
  constructor(onError: (error: IPCError) => void) {
    this.#onError = onError;
  }

  /** Do what `IPCClient.operation` says. */
  async run<Result>(link: Link, name: string, options: LongOperationOptions, work: LongWork<Result>): Promise<Result> {
    if (typeof work !== "function") throw new TypeError("operation() needs a function: operation(name, options?, work)");
    const { timeoutMs, target, total = DEFAULT_TOTAL } = options;
    checkName(name);
    checkTotal(total);
    if (this.#ended !== undefined) throw this.#ended;
    const { value: message } = sendable({ op: "begin", name, total, target }, MAX_BEGIN_BYTES, "the beginning of an operation");
    const running = this.#begun(link, message, timeoutMs, work);
    this.#running.add(running);
    return running.finally(() => this.#running.delete(running));
  }

  /** Say on a new session how far all are, so that its hub knows of them. */
  connected(): void {
    for (const operation of this.#open.values()) operation.report();
  }

  /** Take note that an operation was cancelled. */
  cancelled(id: unknown): void {
    if (typeof id === "string") this.#open.get(id)?.cancel();
  }

  /** Tell all to stop, and begin no other. */
  stop(reason: IPCError): void {
    this.#ended ??= reason;
    for (const operation of this.#open.values()) operation.stop(reason);
  }

  /** Stop, and wait until it is said how each has ended. */
  async retire(): Promise<void> {
    this.stop(closedError());
    await Promise.allSettled(this.#running);
  }

  async #begun<Result>(
    link: Link,
    message: unknown,
    timeoutMs: number | undefined,
    work: LongWork<Result>,
  ): Promise<Result> {
    const answer = await link.request("ipc:operation", () => message, { timeoutMs });
    const [info] = answer["operations"] as [OperationInfo];
    const operation = new OpenOperation(link, info, this.#onError);
    this.#open.set(operation.id, operation);
    if (this.#ended !== undefined) operation.stop(this.#ended);
    try {
      return await operation.run(work);
    } finally {
      this.#open.delete(operation.id);
    }
  }
}
