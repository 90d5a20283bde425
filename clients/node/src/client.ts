/** A service's instance in the mesh: its handlers, its resources, and what it emits and asks. */
import { accepted } from "./accepted.js";
import { Asker } from "./asker.js";
import { Declarations, declared, type EventDeclaration } from "./declarations.js";
import { asError, closedError, IPCError } from "./errors.js";
import type { GroupHandler, GroupOptions, Handler, LiveOptions, Subscription } from "./events.js";
import { Groups } from "./groups.js";
import { type Hook, type HookName, Hooks } from "./hooks.js";
import { checkId, newUlid } from "./ids.js";
import { sendable } from "./json.js";
import { Link } from "./link.js";
import { listenerOf } from "./listening.js";
import { LiveSubscriptions } from "./live.js";
import { fullName } from "./names.js";
import { OpenOperations } from "./open_operations.js";
import type { ConnectOptions, EmitOptions } from "./options.js";
import { type Emitted, Outbox } from "./outbox.js";
import { checkEvent } from "./patterns.js";
import type { Positions } from "./positions.js";
import { type Operations, type ServeOptions, Serving } from "./serving.js";
import { setUp } from "./setup.js";
import type { Session } from "./session.js";
import { Subscribing } from "./subscribing.js";
import { Deadline } from "./waiting.js";

const TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 15_000;
const CLOSE_TIMEOUT_MS = 5_000;
const MAX_WAITING = 10_000;
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
const DEFAULT_DATA_BYTES = 256 * 1024;

/**
 * Return a client that is connected and welcomed.
 *
 * @throws IPCError the bridge refuses it and says why, such as TOKEN_INVALID; UNAVAILABLE: it could not be reached in time
 */
export async function connect(options: ConnectOptions): Promise<IPCClient> {
  const client = new IPCClient(options);
  await client.start();
  return client;
}

/** One instance of a service; `connect` makes it. */
export class IPCClient extends Asker {
  /** The full name of the service. */
  readonly service: string;
  protected readonly link: Link;
  protected readonly openOperations: OpenOperations;
  readonly #options: ConnectOptions;
  readonly #hooks = new Hooks();
  readonly #outbox: Outbox;
  readonly #live: LiveSubscriptions;
  readonly #groups: Groups;
  readonly #serving: Serving;
  readonly #declarations = new Declarations();
  readonly #subscribing: Subscribing;
  readonly #onError = (error: IPCError): void => this.#hooks.call("error", error);
  #closing: Promise<void> | undefined;

  /** @throws IPCError INVALID_MESSAGE, an option is wrong */
  constructor(options: ConnectOptions) {
    super();
    this.#options = options;
    this.service = fullName(options.service);
    const failed = (error: unknown, where: string): void => this.#hooks.call("handlerError", asError(error), where);
    const gap = (reasons: Readonly<Record<string, string>>): void => this.#hooks.call("gap", reasons);
    this.#outbox = new Outbox({
      messages: options.maxWaiting ?? MAX_WAITING,
      bytes: options.maxWaitingBytes ?? MAX_WAITING_BYTES,
    });
    this.#live = new LiveSubscriptions(gap, this.#onError);
    this.#groups = new Groups({ handlerFailed: failed, gap });
    this.#serving = new Serving(failed);
    this.openOperations = new OpenOperations(this.#onError);
    const parts = {
      hooks: this.#hooks,
      outbox: this.#outbox,
      live: this.#live,
      groups: this.#groups,
      serving: this.#serving,
      operations: this.openOperations,
    };
    this.link = new Link({
      ...setUp(options),
      hooks: this.#hooks,
      listener: listenerOf(parts, (ms) => this.link.delay(ms)),
      join: (session) => this.#join(session),
      changed: (session) => this.#changed(session),
    });
    this.#subscribing = new Subscribing(this.link, this.#live, this.#groups, options.positions, failed);
    void this.link.ended.then((error) => {
      this.#outbox.close(error);
      this.openOperations.stop(error ?? closedError());
    });
  }

  /** Whether it is connected right now. */
  get isConnected(): boolean {
    return this.link.session !== undefined;
  }

  /** How many emits are not in the log yet. */
  get waiting(): number {
    return this.#outbox.size;
  }

  /** The position in each log up to which all live handlers are done: what `connect` takes in the next run. */
  get positions(): Positions {
    return { ...this.#options.positions, ...this.#live.positions };
  }

  /** Settled when the client is closed: with why, if the bridge has refused it for good. */
  get closed(): Promise<IPCError | undefined> {
    return this.link.ended;
  }

  protected get dataBytes(): number {
    return this.link.session?.welcome.limits.dataBytes ?? DEFAULT_DATA_BYTES;
  }

  /** Connect; `connect` does it. */
  async start(): Promise<void> {
    const timeoutMs = this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    const late = (): IPCError => this.#unreachable(timeoutMs);
    void this.link.run();
    try {
      await new Deadline(timeoutMs).wait(this.link.untilUp(new Deadline(timeoutMs * 2)), late);
    } catch (error) {
      this.link.close();
      throw error;
    }
  }

  /**
   * Have something called in this process when something happens; returns what takes that back.
   *
   * Without a hook, `error` and `handlerError` are written to the console.
   */
  hook<Name extends HookName>(name: Name, hook: Hook<Name>): () => void {
    return this.#hooks.add(name, hook);
  }

  /**
   * Emit an event, and return where it is once it is safe in its log.
   *
   * It is sent again, with the same id, over lost connections and retryable errors until its time is over.
   *
   * @param event `resource:action`
   * @param payload any JSON, at most 256 KiB
   * @throws IPCError OVERLOADED, too much waits for the bridge; TIMEOUT, it may be in the log all the same; or why the
   *   bridge refuses it
   */
  async emit<Payload = unknown>(event: string, payload: Payload, options: EmitOptions = {}): Promise<Emitted> {
    checkEvent(event);
    const id = checkId(options.id ?? newUlid());
    const data = sendable(payload, this.dataBytes, `the payload of ${event}`);
    const meta = options.meta === undefined ? undefined : sendable(options.meta, this.dataBytes, `meta of ${event}`);
    const message = {
      event,
      id,
      payload: data.value,
      target: options.target ?? "broadcast",
      ...(meta === undefined ? {} : { meta: meta.value }),
      ...(options.traceparent === undefined ? {} : { traceparent: options.traceparent }),
    };
    return this.#outbox.put({
      message,
      bytes: data.bytes + (meta?.bytes ?? 0),
      requireAck: options.requireAck ?? true,
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    });
  }

  /**
   * Handle events; returns when the bridge has subscribed this client.
   *
   * Without a group, every instance of the service gets the events while it is connected, and each handler its events
   * one at a time. With a group, one instance gets each event, and gets it again until a handler has returned.
   *
   * @param patterns such as `post:created`, `post:*`, or several
   * @throws IPCError INVALID_PATTERN, CONFLICT, or why the bridge refuses it
   */
  on<Payload = unknown>(patterns: string | readonly string[], handler: Handler<Payload>): Promise<Subscription>;
  on<Payload = unknown>(
    patterns: string | readonly string[],
    options: GroupOptions,
    handler: GroupHandler<Payload>,
  ): Promise<Subscription>;
  on<Payload = unknown>(
    patterns: string | readonly string[],
    options: LiveOptions,
    handler: Handler<Payload>,
  ): Promise<Subscription>;
  async on(
    patterns: string | readonly string[],
    optionsOrHandler: LiveOptions | GroupOptions | Handler<never>,
    givenHandler?: Handler<never> | GroupHandler<never>,
  ): Promise<Subscription> {
    return this.#subscribing.on(patterns, optionsOrHandler, givenHandler);
  }

  /**
   * Serve a resource: what a handler returns is the reply, an `IPCError` that it throws is passed on with its code.
   *
   * @param operations by name: `create`, `read`, `update`, `delete`, or the owner's own
   * @throws IPCError RESOURCE_TAKEN, another service serves it
   */
  async serve(resource: string, operations: Operations, options: ServeOptions = {}): Promise<void> {
    const add = (): void => this.#serving.add(resource, operations, options);
    const drop = (): void => this.#serving.drop(resource);
    await accepted(this.link, { add, drop, ask: (session) => this.#serving.say(session) });
  }

  /**
   * Say what the data of an event is that this service emits: for the catalogue, and to be checked now and then.
   *
   * @throws IPCError INVALID_EVENT, INVALID_DATA, DATA_TOO_LARGE: the name or the schema is wrong; CONFLICT, it is declared
   *   already; FORBIDDEN, this service may not emit it
   */
  async declareEvent(event: string, declaration: EventDeclaration): Promise<void> {
    const made = declared(event, declaration);
    const add = (): void => this.#declarations.add(made);
    const drop = (): void => this.#declarations.drop(made);
    await accepted(this.link, { add, drop, ask: (session) => this.#declarations.say(session, [made]) });
  }

  /**
   * Leave: take nothing more, finish what was taken, send what waits, and disconnect.
   *
   * @param options `timeoutMs` bounds that, 5000 if not given; what is left then is rejected
   */
  async close({ timeoutMs = CLOSE_TIMEOUT_MS }: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(timeoutMs);
    await this.#closing;
  }

  async #close(timeoutMs: number): Promise<void> {
    const deadline = new Deadline(timeoutMs);
    const session = this.link.session;
    const finished = Promise.all([
      this.#live.retire(),
      this.#groups.retire(session),
      this.#serving.retire(session),
      this.openOperations.retire(),
    ]);
    try {
      await deadline.wait(Promise.race([finished.then(() => this.#outbox.flushed()), this.link.ended]), closedError);
    } catch {
      // What has not finished by now is cut off: another member gets it, and callers are told.
    }
    this.link.close();
    this.#outbox.close();
  }

  async #join(session: Session): Promise<void> {
    await this.#live.join(session);
    await this.#groups.join(session, this.#onError);
    await this.#serving.join(session);
    await this.#declarations.join(session, this.#onError);
  }

  #changed(session: Session | undefined): void {
    this.#outbox.changed(session);
    if (session !== undefined) this.openOperations.connected();
  }

  #unreachable(timeoutMs: number): IPCError {
    const last = this.link.lastError;
    return new IPCError(
      last?.code ?? "UNAVAILABLE",
      `${this.#options.url} did not let ${this.service} in within ${timeoutMs} ms: ${last?.message ?? "there was no answer"}`,
      { retryable: true, cause: last },
    );
  }
}
