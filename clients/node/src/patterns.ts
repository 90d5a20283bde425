/** Event names and patterns, by the rules of the hub (`ipc/protocol/patterns.py`); both are tested with the same vectors. */
import { IPCError } from "./errors.js";

const MAX_LENGTH = 128;
const SEGMENT = "[A-Za-z0-9_][A-Za-z0-9_.\\-]*";
const NAME = new RegExp(`^${SEGMENT}(?::${SEGMENT})+$`);
const PATTERN = new RegExp(`^(?:\\*|(?:\\*|${SEGMENT})(?::(?:\\*|${SEGMENT}))+)$`);

/** Whether an event name matches. */
export type Matcher = (name: string) => boolean;

/**
 * Return the name if it is one: `resource:action`, two segments or more.
 *
 * @throws IPCError INVALID_EVENT
 */
export function checkEvent(name: string): string {
  if (typeof name !== "string" || name.length > MAX_LENGTH || !NAME.test(name)) {
    throw new IPCError(
      "INVALID_EVENT",
      `${shown(name)} is not an event name: write resource:action with letters, digits, '_', '.' and '-', at most ${MAX_LENGTH} characters`,
    );
  }
  return name;
}

/**
 * Return what tells whether a name matches: `*` is one segment, at the end one or more, and alone everything.
 *
 * @throws IPCError INVALID_PATTERN
 */
export function compilePattern(pattern: string): Matcher {
  if (typeof pattern !== "string" || pattern.length > MAX_LENGTH || !PATTERN.test(pattern)) {
    throw new IPCError(
      "INVALID_PATTERN",
      `${shown(pattern)} is not an event pattern: write a name such as post:created, or post:*, *:created, or *`,
    );
  }
  if (!pattern.includes("*")) return (name) => name === pattern;
  const head = pattern.split(":");
  const last = head.pop();
  const parts = head.map((part) => (part === "*" ? "[^:]+" : escaped(part)));
  parts.push(last === "*" ? ".+" : escaped(last ?? ""));
  const whole = new RegExp(`^${parts.join(":")}$`);
  return (name) => whole.test(name);
}

/** Whether there can be an event name that both patterns match. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [one.split(":"), other.split(":")];
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) {
    // A star at the end takes whatever the other still has.
    if ((a[at] === "*" && at + 1 === a.length) || (b[at] === "*" && at + 1 === b.length)) return true;
    if (a[at] !== b[at] && a[at] !== "*" && b[at] !== "*") return false;
  }
  return a.length === b.length;
}

function escaped(segment: string): string {
  return segment.replace(/[.\-]/g, "\\$&");
}

function shown(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 64));
}
