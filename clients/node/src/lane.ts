/** The events of one live handler, one at a time and in their order. */
import { type Deferred, deferred } from "./waiting.js";

/** How many events may wait for one handler; beyond that the log keeps them. */
export const MAX_WAITING = 1_000;

/** A queue with one handler at its end. */
export class Lane<Item> {
  readonly #handle: (item: Item) => Promise<void>;
  #items: Item[] = [];
  #waiting = 0;
  #isRunning = false;
  #low: Deferred<void> | undefined;
  #idle: Deferred<void> | undefined;

  /** @param handle does one item; it never throws */
  constructor(handle: (item: Item) => Promise<void>) {
    this.#handle = handle;
  }

  get isFull(): boolean {
    return this.#waiting >= MAX_WAITING;
  }

  get isIdle(): boolean {
    return !this.#isRunning;
  }

  push(item: Item): void {
    this.#items.push(item);
    this.#waiting += 1;
    if (!this.#isRunning) void this.#run();
  }

  /** Wait until at most half of what may wait is left. */
  async low(): Promise<void> {
    if (this.#waiting <= MAX_WAITING / 2) return;
    this.#low ??= deferred();
    await this.#low.promise;
  }

  /** Wait until there is nothing to do. */
  async idle(): Promise<void> {
    if (!this.#isRunning) return;
    this.#idle ??= deferred();
    await this.#idle.promise;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#items.length > 0) {
      const taken = this.#items;
      this.#items = [];
      for (const item of taken) {
        await this.#handle(item);
        this.#waiting -= 1;
        if (this.#waiting <= MAX_WAITING / 2) this.#isLow();
      }
    }
    this.#isRunning = false;
    this.#isLow();
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  #isLow(): void {
    this.#low?.resolve();
    this.#low = undefined;
  }
}
