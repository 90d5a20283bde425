/** What goes over the wire as JSON: a copy of it, checked and measured before it is sent. */
import { IPCError } from "./errors.js";

/** A copy of a value as its receivers will have it, and the bytes of its JSON. */
export interface Sendable {
  readonly value: unknown;
  readonly bytes: number;
}

/**
 * Return a copy that later changes do not reach; what is undefined is null.
 *
 * @throws IPCError INVALID_DATA for what has no JSON; DATA_TOO_LARGE beyond the limit, since a packet of more than a
 *   frame would end the session
 */
export function sendable(value: unknown, limitBytes: number, what: string): Sendable {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, refuseBinary);
  } catch (error) {
    if (error instanceof IPCError) throw error;
    throw new IPCError("INVALID_DATA", `${what} has no JSON: ${String(error)}`, { cause: error });
  }
  if (text === undefined) return { value: null, bytes: 4 };
  const bytes = Buffer.byteLength(text);
  if (bytes > limitBytes) {
    throw new IPCError("DATA_TOO_LARGE", `${what} has at most ${limitBytes} bytes as JSON, this has ${bytes}`, {
      details: { limit: limitBytes, bytes },
    });
  }
  return { value: JSON.parse(text), bytes };
}

// A Buffer has become an object of numbers when a replacer sees it, so it is looked up where it was.
function refuseBinary(this: unknown, key: string, value: unknown): unknown {
  const found = (this as Record<string, unknown>)[key];
  if (ArrayBuffer.isView(found) || found instanceof ArrayBuffer || found instanceof Blob) {
    throw new IPCError("INVALID_DATA", "events are JSON and carry no Buffer, ArrayBuffer or Blob: send base64 in a string");
  }
  return value;
}
