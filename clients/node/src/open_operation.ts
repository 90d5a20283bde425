/** One long operation while its function is at work: says how far it is, hears that it is to stop, and says how it ended. */
import { asError, asIPCError, IPCError } from "./errors.js";
import type { Link } from "./link.js";
import { checkDone, checkText, type LongOperation, type LongWork, type OperationInfo } from "./long_operation.js";
import type { AskingOptions } from "./options.js";
import { pause } from "./waiting.js";

const MAX_ERROR = 1_000;
const PACE: Pace = { reportMs: 500, heartbeatMs: 10_000 };

/** How often it is said how far an operation is, in milliseconds. */
export interface Pace {
  /** After one report, the next one is sent no sooner. */
  readonly reportMs: number;
  /** Without news, it is said again after so long. */
  readonly heartbeatMs: number;
}

/** How work has ended. */
type Outcome<Result> = { readonly value: Result } | { readonly error: unknown };

/** An operation that has begun. */
export class OpenOperation implements LongOperation {
  readonly id: string;
  readonly name: string;
  readonly total: number;
  readonly #link: Pick<Link, "request">;
  readonly #onError: (error: IPCError) => void;
  readonly #pace: Pace;
  readonly #stop = new AbortController();
  readonly #over = new AbortController();
  #news = new AbortController();
  #done = 0;
  #text = "";
  #cancelled: IPCError | undefined;

  /** @param onError told of what nobody waits for */
  constructor(
    link: Pick<Link, "request">,
    { id, name, total }: Pick<OperationInfo, "id" | "name" | "total">,
    onError: (error: IPCError) => void,
    pace: Pace = PACE,
  ) {
    this.id = id;
    this.name = name;
    this.total = total;
    this.#link = link;
    this.#onError = onError;
    this.#pace = pace;
  }

  get percent(): number {
    return Math.round((1000 * this.#done) / this.total) / 10;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  // Not a method, so that it may be taken out of the operation as everything else in it.
  readonly progress = (done: number, text = ""): Promise<void> => {
    checkDone(done, this.total);
    checkText(text);
    const said = this.#take(done, wellFormed(text));
    // Who does not wait for it, such as a listener of a stream, has the signal: that is no unhandled rejection.
    said.catch(() => undefined);
    return said;
  };

  /** Say soon how far it is. */
  report(): void {
    this.#news.abort();
  }

  /** Take note that an operator has cancelled it. */
  cancel(): void {
    this.#cancelled ??= new IPCError("CANCELLED", `the operation ${this.name} was cancelled`);
    this.stop(this.#cancelled);
  }

  /** Tell the function to stop. */
  stop(reason: IPCError): void {
    this.#stop.abort(reason);
  }

  /** Have the work done, say how it has ended, and return what it returns or throw what it throws. */
  async run<Result>(work: LongWork<Result>): Promise<Result> {
    const reporting = this.#report();
    const outcome = await this.#outcome(work);
    this.#over.abort();
    this.report();
    await reporting;
    if (this.#cancelled === undefined) await this.#end(outcome);
    const isOwnFailure = "error" in outcome && !this.#isStop(outcome.error);
    if (this.#cancelled !== undefined && !isOwnFailure) throw this.#cancelled;
    if ("error" in outcome) throw isOwnFailure ? outcome.error : this.signal.reason;
    return outcome.value;
  }

  async #outcome<Result>(work: LongWork<Result>): Promise<Outcome<Result>> {
    try {
      this.signal.throwIfAborted();
      return { value: await work(this) };
    } catch (error) {
      return { error };
    }
  }

  async #take(done: number, text: string): Promise<void> {
    this.signal.throwIfAborted();
    if (this.#over.signal.aborted) throw new IPCError("CONFLICT", `the operation ${this.name} has ended already`);
    this.#done = done;
    this.#text = text;
    this.report();
    // A loop that does nothing else hears here that it is to stop.
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.signal.throwIfAborted();
  }

  /** Send what is true, when there is something new, and now and then when there is not. */
  async #report(): Promise<void> {
    const over = this.#over.signal;
    for (;;) {
      await pause(this.#pace.heartbeatMs, this.#news.signal);
      if (over.aborted) return;
      this.#news = new AbortController();
      try {
        await this.#say({ op: "progress" }, { signal: over });
      } catch (thrown) {
        const error = asIPCError(thrown);
        if (over.aborted || this.#isHeard(error)) return;
        // What is retryable was tried for a while, and is again with the next report.
        if (!error.retryable) {
          if (!this.signal.aborted) this.#unheard(`how far the operation ${this.name} is was not heard`, error);
          return;
        }
      }
      await pause(this.#pace.reportMs, over);
    }
  }

  async #end<Result>(outcome: Outcome<Result>): Promise<void> {
    try {
      await this.#say({ op: "end", ...("error" in outcome ? { error: this.#described(outcome.error) } : {}) });
    } catch (thrown) {
      const error = asIPCError(thrown);
      if (this.#isHeard(error)) return;
      this.#unheard(`the end of the operation ${this.id} was not heard, so it will count as lost`, error);
    }
  }

  async #say(said: Readonly<Record<string, unknown>>, options: AskingOptions = {}): Promise<void> {
    // As it is by the time that it is sent, which may be on another connection.
    const message = (): unknown => ({ ...said, operation: this.id, done: this.#done, text: this.#text });
    await this.#link.request("ipc:operation", message, options);
  }

  /** Whether the bridge refuses because the operation has ended: by an operator, or by an answer that was lost. */
  #isHeard(error: IPCError): boolean {
    if (error.code === "CANCELLED") this.cancel();
    return error.code === "CANCELLED" || error.code === "CONFLICT";
  }

  #unheard(what: string, error: IPCError): void {
    this.#onError(new IPCError(error.code, `${what}: ${error.message}`, { retryable: error.retryable, cause: error }));
  }

  /** Whether what was thrown says no more than that it was told to stop. */
  #isStop(thrown: unknown): boolean {
    if (!this.signal.aborted) return false;
    const { name, cause } = asError(thrown);
    return [thrown, cause].includes(this.signal.reason) || name === "AbortError";
  }

  #described(thrown: unknown): string {
    if (this.#isStop(thrown)) return "the service has stopped it";
    const { name, message } = asError(thrown);
    const kind = thrown instanceof IPCError ? thrown.code : name;
    return wellFormed([...`${kind}: ${message}`.slice(0, 2 * MAX_ERROR)].slice(0, MAX_ERROR).join(""));
  }
}

/** Text without halves of characters, which no JSON of the bridge has. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}
