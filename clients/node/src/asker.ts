/** What a client asks the bridge about the mesh, and what the bridge keeps for it: states, and long operations. */
import { Caller } from "./caller.js";
import type { EventStatus } from "./event_status.js";
import type { Explanation } from "./explanation.js";
import { checkId } from "./ids.js";
import { sendable } from "./json.js";
import type { LongOperationOptions, LongWork, OperationInfo } from "./long_operation.js";
import type { Answer } from "./messages.js";
import type { OpenOperations } from "./open_operations.js";
import type { AskingOptions, ExplainOptions, StatusOptions } from "./options.js";
import { checkEvent } from "./patterns.js";
import type { Services } from "./services.js";
import { TokenState } from "./token_state.js";

const MAX_QUESTION_BYTES = 64 * 1024;

type Members = Readonly<Record<string, unknown>>;

/** Asks the bridge itself, over however many connections that takes. */
export abstract class Asker extends Caller {
  /** The long operations that this client is at. */
  protected abstract readonly openOperations: OpenOperations;

  /**
   * Return what each group has done with an event, which a `log` and `position` spare looking for.
   *
   * @param id of the event, as `emit` returns it
   * @throws IPCError EVENT_NOT_FOUND, with how far was looked; AMBIGUOUS_EVENT, ask with `source`; FORBIDDEN, the event
   *   is another service's, which takes the permission `*`
   */
  async status(id: string, { source, log, position, ...options }: StatusOptions = {}): Promise<EventStatus> {
    const answer = await this.#ask("ipc:status", { event: checkId(id), source, log, position }, options);
    return answer["status"] as EventStatus;
  }

  /**
   * Return the services that are attached, with their instances and how calls to them are doing.
   *
   * @param service only this one, by either name
   * @throws IPCError UNKNOWN_SERVICE, there is no such service
   */
  async services(service?: string, options: AskingOptions = {}): Promise<Services> {
    const answer = await this.#ask("ipc:services", { service }, options);
    return { services: answer["services"] as Services["services"], hasMore: answer["hasMore"] === true };
  }

  /**
   * Return who would get an event that this service emits, who would not, and why; nothing is emitted.
   *
   * @param payload any JSON, which conditions of subscriptions look at
   * @throws IPCError INVALID_EVENT, DATA_TOO_LARGE and their like; FORBIDDEN, the event would be another service's
   */
  async explain(event: string, payload: unknown = null, options: ExplainOptions = {}): Promise<Explanation> {
    const { target, meta, source, ...asking } = options;
    checkEvent(event);
    const data = sendable(payload, this.dataBytes, `the payload of ${event}`).value;
    const shown = meta === undefined ? {} : { meta: sendable(meta, this.dataBytes, `meta of ${event}`).value };
    const answer = await this.#ask("ipc:explain", { event, target, source }, asking, { data, ...shown });
    return answer["explanation"] as Explanation;
  }

  /**
   * Return what reads and writes the state of a stateful token of this service.
   *
   * @throws IPCError INVALID_MESSAGE, it is no token
   */
  state(token: string): TokenState {
    return new TokenState(this.link, token);
  }

  /**
   * Have work done as a long operation, which people can watch and cancel, and return what it returns.
   *
   * When the function returns, the operation is done; when it throws, it has failed with that. When somebody cancels it,
   * its `signal` is aborted, its `progress` throws, and CANCELLED comes out when the function has ended. It goes on over
   * lost connections.
   *
   * @param name such as `export`
   * @throws IPCError CANCELLED, somebody has cancelled it; OVERLOADED, this client is at too many; or what the function throws
   */
  operation<Result>(name: string, work: LongWork<Result>): Promise<Result>;
  operation<Result>(name: string, options: LongOperationOptions, work: LongWork<Result>): Promise<Result>;
  async operation<Result>(
    name: string,
    optionsOrWork: LongOperationOptions | LongWork<Result>,
    givenWork?: LongWork<Result>,
  ): Promise<Result> {
    const isShort = typeof optionsOrWork === "function";
    const work = (isShort ? optionsOrWork : givenWork) as LongWork<Result>;
    return this.openOperations.run(this.link, name, isShort ? {} : optionsOrWork, work);
  }

  /**
   * Return the long operations of this service, those that run and those of the last day, the newest first.
   *
   * @param service another one, which takes the permission `*`
   */
  async operations(service?: string, options: AskingOptions = {}): Promise<readonly OperationInfo[]> {
    return this.#operations({ op: "list", service }, options);
  }

  /**
   * Cancel a long operation of this service by its id, and return it; one that is cancelled already stays so.
   *
   * @throws IPCError NOT_FOUND, there is none; CONFLICT, it has ended; FORBIDDEN, it is another service's, which takes
   *   the permission `*`
   */
  async cancelOperation(id: string, options: AskingOptions = {}): Promise<OperationInfo> {
    const [info] = await this.#operations({ op: "cancel", operation: checkId(id) }, options);
    return info as OperationInfo;
  }

  async #operations(message: Members, options: AskingOptions): Promise<readonly OperationInfo[]> {
    return (await this.#ask("ipc:operation", message, options))["operations"] as readonly OperationInfo[];
  }

  /** Ask, with what is bounded already besides what is to be: a packet of more than a frame would end the session. */
  async #ask(name: string, message: Members, options: AskingOptions, bounded: Members = {}): Promise<Answer> {
    const asked = sendable(message, MAX_QUESTION_BYTES, `a question (${name})`).value as Members;
    return this.link.request(name, () => ({ ...asked, ...bounded }), options);
  }
}
