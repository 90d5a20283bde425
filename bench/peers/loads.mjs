// What the drivers in Node share. They are told what to do on stdin and answer on stdout, a line of JSON each: first
// the setup, answered with {"ready": true}, then load after load, each answered with what came of it.
import { createInterface } from "node:readline";

// A run whose deliveries make no progress for so long is reported as it is.
const STALL_MS = 3000;
// Microseconds on top of a constant, so that every time has sixteen digits.
const CLOCK_BASE = 1e15;

export const nowUs = () => CLOCK_BASE + Math.round(performance.now() * 1000);

export async function serve(open) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    return done ? null : JSON.parse(value);
  };
  const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
  const run = await open(await next());
  say({ ready: true });
  for (let load = await next(); load; load = await next()) say(await run(load));
  process.exit(0);
}

// Keeps a window full of `one` under way until the load's number or time is over; returns how many were done.
export async function drive({ events, seconds, window }, one) {
  const until = performance.now() + seconds * 1000;
  let sent = 0;
  const repeat = async () => {
    while (sent < events && performance.now() < until) {
      sent += 1;
      await one(sent);
    }
  };
  await Promise.all(Array.from({ length: window }, repeat));
  return sent;
}

// Waits until `count()` has reached a number or has not moved for three seconds.
export async function arrived(number, count) {
  let [last, movedAt] = [count(), performance.now()];
  while (last < number && performance.now() - movedAt < STALL_MS) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (count() !== last) [last, movedAt] = [count(), performance.now()];
  }
}
