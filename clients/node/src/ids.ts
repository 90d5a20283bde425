/** Identifiers that sort by time: ULIDs (github.com/ulid/spec), 26 characters of Crockford's base 32. */
import { randomBytes } from "node:crypto";
import { IPCError } from "./errors.js";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const MAX_LENGTH = 64;

/** Return a new identifier: 48 bits of Unix milliseconds, then 80 random bits. */
export function newUlid(): string {
  let text = "";
  let time = Date.now();
  for (let at = 0; at < 10; at += 1) {
    text = ALPHABET.charAt(time % 32) + text;
    time = Math.floor(time / 32);
  }
  // The top five bits of a random byte: each is one character.
  for (const byte of randomBytes(16)) text += ALPHABET.charAt(byte >> 3);
  return text;
}

/**
 * Return an id if it may travel.
 *
 * @throws IPCError INVALID_MESSAGE
 */
export function checkId(id: string): string {
  if (typeof id !== "string" || id.length < 1 || id.length > MAX_LENGTH) {
    const shown = typeof id === "string" ? `this has ${id.length}` : `this is ${typeof id}`;
    throw new IPCError("INVALID_MESSAGE", `an id has 1 to ${MAX_LENGTH} characters, ${shown}`);
  }
  return id;
}
