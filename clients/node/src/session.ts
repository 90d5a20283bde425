/** One session of the bridge over one connection of socket.io-client; another connection is another session. */
import { io, type Socket } from "socket.io-client";
import { IPCError, LinkLostError } from "./errors.js";
import { type About, type Answer, errorFrom, type Notice, type Refusal, type Welcome, type WireCall } from "./messages.js";
import type { TlsFiles } from "./pem.js";
import type { Positions } from "./positions.js";
import { connectionRefusal, type SessionEnd, sessionEnd } from "./endings.js";
import { Deadline, deferred } from "./waiting.js";

/** How long an answer of the bridge itself may take, in milliseconds. */
export const ANSWER_TIMEOUT_MS = 10_000;
const TERMINATE_AFTER_MS = 1_000;

/** Calls back to the bridge, once. */
export type Done = (answer?: unknown) => void;

/** Who hears what comes by a session. The methods return at once. */
export interface SessionListener {
  event(name: string, payload: unknown, about: About, done: Done | undefined, session: Session): void;
  called(call: WireCall, answer: Done, session: Session): void;
  cancelled(callId: string, session: Session): void;
  positions(positions: Positions): void;
  notice(notice: Notice): void;
  refused(refusal: Refusal): void;
}

/** How to connect. */
export interface SessionSetup {
  /** Of the namespace: `https://host:port/ipc/<service>`. */
  readonly address: string;
  readonly transports: readonly ("websocket" | "polling")[];
  readonly auth: Readonly<Record<string, unknown>>;
  readonly tls: TlsFiles;
}

/** One session, from its connection to its end. */
export class Session {
  readonly #socket: Socket;
  readonly #listener: SessionListener;
  readonly #opened = deferred<Welcome>();
  readonly #ended = deferred<SessionEnd>();
  readonly #atEnd = new Set<() => void>();
  #notice: Notice | undefined;
  #welcome: Welcome | undefined;
  #isOver = false;

  constructor(setup: SessionSetup, listener: SessionListener) {
    this.#listener = listener;
    this.#socket = io(setup.address, {
      forceNew: true,
      // Each connection is a session of its own: what is left of the one before must not be sent on it.
      reconnection: false,
      transports: [...setup.transports],
      auth: { ...setup.auth },
      ...setup.tls,
    });
    this.#socket.onAny((name: string, ...args: unknown[]) => this.#hear(name, args));
    this.#socket.on("connect_error", (error) => {
      const refused = connectionRefusal(error);
      this.#end({ error: refused, mayReconnect: refused.retryable });
    });
    this.#socket.on("disconnect", (reason, details) => this.#end(sessionEnd(reason, details, this.#notice)));
  }

  /** Whether something can be sent by it. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Have something done when the session ends; returns what takes that back. */
  atEnd(act: () => void): () => void {
    this.#atEnd.add(act);
    return () => this.#atEnd.delete(act);
  }

  /** What the bridge said first; only of a session that was opened. */
  get welcome(): Welcome {
    if (this.#welcome === undefined) throw new IPCError("UNAVAILABLE", "the session is not open yet");
    return this.#welcome;
  }

  /** Settled with why, when it has ended. */
  get ended(): Promise<SessionEnd> {
    return this.#ended.promise;
  }

  /**
   * Wait until the bridge has welcomed this client.
   *
   * @throws IPCError why not
   */
  async opened(timeoutMs: number): Promise<Welcome> {
    const late = (): IPCError => new IPCError("UNAVAILABLE", `the bridge did not welcome this client within ${Math.round(timeoutMs)} ms`);
    try {
      return await new Deadline(timeoutMs).wait(this.#opened.promise, late);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Emit one of the door's events, and return what its callback is called with.
   *
   * @param onAnswer called before anything else that comes is heard
   * @throws IPCError the bridge refuses it, or does not answer in time; LinkLostError: the session has ended
   */
  async ask(name: string, argument: unknown, options: AskOptions = {}): Promise<Answer> {
    const timeoutMs = options.timeoutMs ?? ANSWER_TIMEOUT_MS;
    const answered = deferred<Answer>();
    this.askBy(name, argument, (answer, error) => {
      if (answer === undefined) return answered.reject(error);
      options.onAnswer?.(answer);
      answered.resolve(answer);
    });
    const late = (): IPCError => new IPCError("TIMEOUT", `no answer to ${name} within ${Math.round(timeoutMs)} ms`);
    return new Deadline(timeoutMs).wait(answered.promise, late, options.signal);
  }

  /** Like `ask`, with a callback that is called once, also when the session ends. */
  askBy(name: string, argument: unknown, settle: (answer: Answer | undefined, error: IPCError | undefined) => void): void {
    if (this.#isOver) return settle(undefined, new LinkLostError(`the connection was lost before ${name} was sent`));
    const forget = this.atEnd(() =>
      settle(undefined, new LinkLostError(`the connection was lost before ${name} was answered; it may have been carried out`)),
    );
    this.#socket.emit(name, argument, (answer: Answer & { success?: unknown }) => {
      if (this.#isOver) return;
      forget();
      if (answer?.success === true) settle(answer, undefined);
      else settle(undefined, errorFrom(answer as unknown as Refusal));
    });
  }

  /** Emit one of the door's events, and do not wait for an answer. */
  tell(name: string, argument: unknown): void {
    if (!this.#isOver) this.#socket.emit(name, argument);
  }

  /** End the session from this side. A connection that does not end in a second is cut. */
  close(): void {
    const transport = this.#socket.io.engine?.transport as unknown as { ws?: { terminate?: () => void } } | undefined;
    const websocket = transport?.ws;
    this.#end({ error: new IPCError("UNAVAILABLE", "this client has left", { retryable: false }), mayReconnect: false });
    if (websocket?.terminate !== undefined) {
      // The library lets go of its WebSocket as soon as it has asked it to close, which may take half a minute.
      setTimeout(() => websocket.terminate?.(), TERMINATE_AFTER_MS).unref();
    }
  }

  #hear(name: string, args: unknown[]): void {
    const [first, second] = args;
    const last = args.at(-1);
    const done = typeof last === "function" ? (last as Done) : undefined;
    switch (name) {
      case "ipc:welcome":
        this.#welcome = first as Welcome;
        this.#opened.resolve(this.#welcome);
        break;
      case "ipc:call":
        if (done !== undefined) this.#listener.called(first as WireCall, done, this);
        break;
      case "ipc:cancel":
        this.#listener.cancelled((first as { id: string }).id, this);
        break;
      case "ipc:positions":
        this.#listener.positions(first as Positions);
        break;
      case "ipc:error":
        this.#listener.refused(first as Refusal);
        break;
      case "ipc:notice":
        this.#hearNotice(first as Notice);
        break;
      case "ipc:ack":
        break;
      default:
        this.#hearEvent(name, first, second as About, done);
    }
  }

  #hearEvent(name: string, payload: unknown, about: About, done: Done | undefined): void {
    this.#listener.event(about.event ?? name, payload, about, done, this);
  }

  #hearNotice(notice: Notice): void {
    if (notice.notice === "closed") this.#notice = notice;
    else this.#listener.notice(notice);
  }

  #end(end: SessionEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#opened.reject(end.error);
    this.#ended.resolve(end);
    this.#socket.offAny();
    this.#socket.disconnect();
    const acts = [...this.#atEnd];
    this.#atEnd.clear();
    for (const act of acts) act();
  }
}

/** How to ask. */
export interface AskOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onAnswer?: (answer: Answer) => void;
}
