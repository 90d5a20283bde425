/** Positions: an event's place in a log, `<milliseconds>-<sequence>`. Those of one log have an order. */

/** The position in each log; a log is `broadcast` or the full name of a service. */
export type Positions = Readonly<Record<string, string>>;

/** Whether the first of two positions of one log is the later one. */
export function isLater(one: string, other: string): boolean {
  const [oneMs, oneSequence] = parts(one);
  const [otherMs, otherSequence] = parts(other);
  return oneMs === otherMs ? oneSequence > otherSequence : oneMs > otherMs;
}

/** The earliest position that any of these has in each log that all of them know. */
export function earliest(all: readonly Positions[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const positions of all) {
    for (const [log, position] of Object.entries(positions)) {
      const known = found[log];
      if (known === undefined || isLater(known, position)) found[log] = position;
    }
  }
  return found;
}

function parts(position: string): [bigint, bigint] {
  const [ms = "", sequence = ""] = position.split("-");
  return [number(ms), number(sequence)];
}

function number(digits: string): bigint {
  return /^\d{1,20}$/.test(digits) ? BigInt(digits) : 0n;
}
