/** What this service says of the events that it emits; the bridge is told on each connection. */
import { asIPCError, IPCError } from "./errors.js";
import { sendable } from "./json.js";
import { checkEvent } from "./patterns.js";
import type { Session } from "./session.js";

const MAX_EVENTS = 64;
const MAX_BYTES = 16 * 1024;

/** What the data of an event is. */
export interface EventDeclaration {
  /** A JSON Schema (2020-12), which refers to nothing but its own parts. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** What the event means, at most 1000 characters. */
  readonly description?: string;
  /** Of its data, at most 5. */
  readonly examples?: readonly unknown[];
}

/** A declaration as it is sent. */
export interface Declared {
  readonly event: string;
  readonly value: unknown;
  readonly bytes: number;
}

/**
 * Return a declaration as it is sent; whether its schema is one the bridge says.
 *
 * @throws IPCError INVALID_EVENT, INVALID_DATA or DATA_TOO_LARGE
 */
export function declared(event: string, { schema, description, examples }: EventDeclaration): Declared {
  checkEvent(event);
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
    throw new IPCError("INVALID_DATA", `the schema of ${event} is an object of JSON Schema`);
  }
  return { event, ...sendable({ event, schema, description, examples }, MAX_BYTES, `the declaration of ${event}`) };
}

/** The declarations of one client. */
export class Declarations {
  readonly #declared = new Map<string, Declared>();

  /** @throws IPCError CONFLICT, the event is declared already; INVALID_MESSAGE, there are too many */
  add(declaration: Declared): void {
    if (this.#declared.has(declaration.event)) {
      throw new IPCError("CONFLICT", `this client has declared the event ${declaration.event} already`);
    }
    if (this.#declared.size >= MAX_EVENTS) {
      throw new IPCError("INVALID_MESSAGE", `a service declares at most ${MAX_EVENTS} events`);
    }
    this.#declared.set(declaration.event, declaration);
  }

  drop({ event }: Declared): void {
    this.#declared.delete(event);
  }

  /** Say some of them. */
  async say(session: Session, declarations: readonly Declared[]): Promise<void> {
    await session.ask("ipc:declare", { events: declarations.map(({ value }) => value) });
  }

  /** Say all on a new session; a bridge that does not take them is no reason to stay away. */
  async join(session: Session, onRefused: (error: IPCError) => void): Promise<void> {
    for (const some of inFrames([...this.#declared.values()], session.welcome.limits.frameBytes / 2)) {
      try {
        await this.say(session, some);
      } catch (thrown) {
        const error = asIPCError(thrown);
        if (error.retryable) throw error;
        onRefused(error);
      }
    }
  }
}

/** Divide what would be more than a frame takes. */
function inFrames(declarations: readonly Declared[], limitBytes: number): Declared[][] {
  const frames: Declared[][] = [];
  let leftBytes = 0;
  for (const declaration of declarations) {
    const last = frames.at(-1);
    if (last === undefined || declaration.bytes > leftBytes) {
      frames.push([declaration]);
      leftBytes = limitBytes - declaration.bytes;
    } else {
      last.push(declaration);
      leftBytes -= declaration.bytes;
    }
  }
  return frames;
}
