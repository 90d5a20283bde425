// Emits between a bridge that says "later" and a deadline, with a session that says what the test tells it to.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IPCError } from "@exprsn/ipc";
import { Outbox } from "../dist/esm/outbox.js";
import { LinkLostError } from "../dist/esm/errors.js";
import { Heard } from "./support/world.mjs";

const emit = (id, more = {}) => ({ message: { id, event: "a:b" }, bytes: 10, requireAck: true, timeoutMs: 20_000, ...more });

/** A session that keeps what it is asked, to be answered by the test. */
function session() {
  const asked = new Heard();
  return { asked, askBy: (_, message, settle) => asked.add({ message, settle }), tell: (_, message) => asked.add({ message }) };
}

test("an emit that is to come later is sent again with its id, and is told once", async () => {
  const outbox = new Outbox({ messages: 10, bytes: 1_000 });
  const link = session();
  outbox.changed(link);
  const emitted = outbox.put(emit("one"));
  const [first] = await link.asked.count(1);
  first.settle(undefined, new IPCError("UNAVAILABLE", "Redis is away", { retryAfterMs: 5 }));
  assert.equal(outbox.size, 1);
  assert.equal(outbox.knows("one"), true);
  const [, second] = await link.asked.count(2);
  assert.equal(second.message.id, "one");
  second.settle({ success: true, position: "1-0", positions: { broadcast: "1-0" }, duplicate: true });
  assert.deepEqual(await emitted, { id: "one", position: "1-0", positions: { broadcast: "1-0" }, duplicate: true });
  assert.equal(outbox.size, 0);
});

test("an emit that would come too late is refused at once", async () => {
  const outbox = new Outbox({ messages: 10, bytes: 1_000 });
  const link = session();
  outbox.changed(link);
  const emitted = outbox.put(emit("one"));
  const [first] = await link.asked.count(1);
  first.settle(undefined, new IPCError("RATE_LIMIT_EXCEEDED", "1000 a minute", { retryAfterMs: 60_000 }));
  await assert.rejects(emitted, (error) => error.code === "RATE_LIMIT_EXCEEDED" && error.retryAfterMs === 60_000);
  assert.equal(outbox.size, 0);
});

test("what has no answer when the connection is lost is sent first on the next one, in its order", async () => {
  const outbox = new Outbox({ messages: 1_000, bytes: 100_000 });
  const one = session();
  outbox.changed(one);
  const ids = Array.from({ length: 300 }, (_, number) => `e${number}`);
  const emitted = Promise.all(ids.map((id) => outbox.put(emit(id))));
  // No more than a window is on its way.
  assert.equal(one.asked.items.length, 256);
  outbox.changed(undefined);
  for (const { settle } of one.asked.items) settle(undefined, new LinkLostError("lost"));
  const two = session();
  outbox.changed(two);
  for (let at = 0; at < 300; at += 1) two.asked.items[at].settle({ success: true, position: `${at}-0` });
  assert.deepEqual((await emitted).map(({ id }) => id), ids);
  assert.deepEqual(two.asked.items.map(({ message }) => message.id), ids);
});

test("a very long time is no short one", async () => {
  const outbox = new Outbox({ messages: 10, bytes: 1_000 });
  const emitted = outbox.put(emit("one", { timeoutMs: 1e12 }));
  const link = session();
  await new Promise((resolve) => setImmediate(resolve));
  outbox.changed(link);
  const [first] = await link.asked.count(1);
  first.settle({ success: true, position: "1-0" });
  assert.equal((await emitted).position, "1-0");
});
