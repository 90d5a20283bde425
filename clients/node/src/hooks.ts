/** What a program may want to know of its client: called in this process when something happens, never sent anywhere. */
import { type IPCError, asError } from "./errors.js";
import type { Notice, Welcome } from "./messages.js";

/** Functions that are called when something happens, by what has happened. */
export interface HookArguments {
  /** The client is connected, and has its subscriptions, groups and resources; also after each reconnection. */
  ready: [welcome: Welcome];
  /** The connection was lost, or could not be made; it is tried again. */
  lost: [error: IPCError];
  /** Live events were missed for good: why, for each log. */
  gap: [reasons: Readonly<Record<string, string>>];
  /** The bridge has something to say, such as `draining` or `rate_warning`. */
  notice: [notice: Notice];
  /** Something that nobody waits for was refused, or a token could not be renewed. */
  error: [error: IPCError];
  /** A handler has thrown; `where` says which, such as `post:created`. */
  handlerError: [error: Error, where: string];
  /** The client is closed: by `close()`, or for good by the bridge, and why. */
  closed: [error: IPCError | undefined];
}

/** What can be hooked. */
export type HookName = keyof HookArguments;

/** A function for a hook; what it throws is written to the console. */
export type Hook<Name extends HookName> = (...args: HookArguments[Name]) => void;

/** The hooks of one client. */
export class Hooks {
  readonly #hooks = new Map<HookName, Set<unknown>>();

  /** Add a function; returns what takes it back. */
  add<Name extends HookName>(name: Name, hook: Hook<Name>): () => void {
    const hooks = this.#hooks.get(name) ?? new Set<unknown>();
    this.#hooks.set(name, hooks);
    hooks.add(hook);
    return () => hooks.delete(hook);
  }

  /** Call all functions of a name. Errors that nobody has hooked go to the console. */
  call<Name extends HookName>(name: Name, ...args: HookArguments[Name]): void {
    const hooks = this.#hooks.get(name);
    if (hooks === undefined || hooks.size === 0) {
      if (name === "error" || name === "handlerError") say(name, args);
      return;
    }
    for (const hook of [...hooks]) {
      try {
        (hook as Hook<Name>)(...args);
      } catch (error) {
        console.error(`@exprsn/ipc: a hook for ${name} failed: ${asError(error).stack}`);
      }
    }
  }
}

function say(name: HookName, [error, where]: readonly unknown[]): void {
  const what = name === "handlerError" ? `the handler of ${String(where)} failed: ` : "";
  const found = asError(error);
  console.error(`@exprsn/ipc: ${what}${name === "handlerError" ? found.stack : found.message}`);
}
