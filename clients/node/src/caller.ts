/** What a client asks of whoever serves a resource, and of the bridge. */
import { IPCError, LinkLostError } from "./errors.js";
import { newUlid } from "./ids.js";
import { sendable } from "./json.js";
import type { Link, RequestOptions } from "./link.js";
import type { AskingOptions, CallOptions, OperationOptions } from "./options.js";

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 60_000;

/** Asks by a link. */
export abstract class Caller {
  /** The link that is asked by. */
  protected abstract readonly link: Link;
  /** How many bytes of JSON a value may have. */
  protected abstract readonly dataBytes: number;

  /**
   * Call an operation of whoever serves a resource, and return the data of the reply.
   *
   * A call that cannot have begun, and one that may happen twice (a read, or one with an `idempotencyKey`), is made
   * again over a lost connection; another is not.
   *
   * @param op `create`, `read`, `update`, `delete`, or a name of the owner's own
   * @throws IPCError NO_OWNER, OWNER_LOST (it may have been carried out), OVERLOADED, TIMEOUT, or what the owner says
   */
  async call<Result = unknown>(op: string, resource: string, options: CallOptions = {}): Promise<Result> {
    const { signal, timeoutMs: _, ...given } = options;
    const timeoutMs = Math.min(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS);
    const message: Record<string, unknown> = { op, resource, callId: newUlid() };
    for (const [name, value] of Object.entries(given)) {
      if (value !== undefined) message[name] = sendable(value, this.dataBytes, `${name} of a call`).value;
    }
    const isRepeatable = op === "read" || options.idempotencyKey !== undefined;
    const requested: RequestOptions = {
      timeoutMs,
      signal,
      mayRepeat: (error, isLost) => error.code === "DRAINING" || (isLost && isRepeatable),
    };
    try {
      const asked = (leftMs: number): unknown => ({ ...message, timeoutMs: Math.max(1, Math.floor(leftMs)) });
      const answer = await this.link.request("ipc:call", asked, requested);
      return answer["data"] as Result;
    } catch (error) {
      if (signal?.aborted === true) this.link.session?.tell("ipc:cancel", { callId: message["callId"] });
      if (error instanceof LinkLostError) {
        throw new IPCError("OWNER_LOST", `${resource}.${op}: ${error.message}`, { cause: error });
      }
      throw error;
    }
  }

  /** Create a thing of a resource, and return what its owner says. */
  async create<Result = unknown>(resource: string, data: unknown, options: OperationOptions = {}): Promise<Result> {
    return this.call<Result>("create", resource, { ...options, data });
  }

  /** Read the thing with a key, or those that a query asks for. */
  async read<Result = unknown>(
    resource: string,
    what: { readonly key: string | number } | { readonly query: unknown },
    options: OperationOptions = {},
  ): Promise<Result> {
    return this.call<Result>("read", resource, { ...options, ...what });
  }

  /** Change the thing with a key, and return what its owner says. */
  async update<Result = unknown>(
    resource: string,
    key: string | number,
    data: unknown,
    options: OperationOptions = {},
  ): Promise<Result> {
    return this.call<Result>("update", resource, { ...options, key, data });
  }

  /** Delete the thing with a key. */
  async delete<Result = unknown>(resource: string, key: string | number, options: OperationOptions = {}): Promise<Result> {
    return this.call<Result>("delete", resource, { ...options, key });
  }

  /**
   * Have a JSONLex expression evaluated by the bridge, and return its result; what is no expression comes back as it is.
   *
   * @param expression `{ __jsonlex: true, expr: … }`
   * @param context what its variables are looked up in
   * @throws IPCError the expression is wrong or costs too much; `details` has the `pointer`
   */
  async jsonlex<Result = unknown>(
    expression: unknown,
    context: unknown = null,
    options: AskingOptions = {},
  ): Promise<Result> {
    const message = {
      expression: sendable(expression, this.dataBytes, "the expression").value,
      context: sendable(context, this.dataBytes, "the context").value,
    };
    return (await this.link.request("ipc:jsonlex", () => message, options))["result"] as Result;
  }
}
