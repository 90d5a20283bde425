// Durable groups: returning acknowledges, throwing brings an event again, and one member gets each.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IPCError, Reject, RetryLater } from "@exprsn/ipc";
import { attached, gate, Heard, until, within, world } from "./support/world.mjs";

const code = (expected) => (error) => error instanceof IPCError && error.code === expected;
const retry = { ackMs: 20_000, backoffMs: [20, 20] };

test("a handler of a group acknowledges by returning, and has an event again after throwing", async (t) => {
  const client = await attached(t, "moderator");
  const [attempts, failed] = [new Heard(), new Heard()];
  client.hook("handlerError", (error, where) => failed.add(where));
  await client.on("check:*", { group: "checks", retry }, async (payload, context) => {
    attempts.add([payload, context.attempt, context.group]);
    if (context.attempt === 1 && payload === "torn") throw new Error("not yet");
  });
  await client.emit("check:one", "whole", { target: "moderator" });
  await attempts.count(1);
  await client.emit("check:one", "torn", { target: "moderator" });
  await client.emit("check:one", "next", { target: "moderator" });
  const found = await attempts.count(4);
  assert.deepEqual(found.filter(([payload]) => payload === "torn").map(([, attempt]) => attempt), [1, 2]);
  assert.deepEqual(found.filter(([payload]) => payload !== "torn"), [["whole", 1, "checks"], ["next", 1, "checks"]]);
  assert.deepEqual(failed.items, ["check:one in the group checks"]);
});

test("a rejected event is a dead letter at once", async (t) => {
  const client = await attached(t, "moderator");
  const attempts = new Heard();
  client.hook("handlerError", () => undefined);
  await client.on("doomed:*", { group: "doomed", retry }, (payload, { attempt }) => {
    attempts.add(attempt);
    throw new Reject("there is no such post");
  });
  await client.emit("doomed:one", 1, { target: "moderator" });
  await until(() => world("dead_letters", { service: "moderator", group: "doomed" }), "a dead letter");
  assert.deepEqual(attempts.items, [1]);
});

test("a handler says when it wants an event again", async (t) => {
  const client = await attached(t, "moderator");
  const attempts = new Heard();
  client.hook("handlerError", () => undefined);
  // The group's own pause is longer than the test waits.
  await client.on("later:*", { group: "later", retry: { backoffMs: [600_000] } }, (_, { attempt }) => {
    attempts.add(attempt);
    if (attempt === 1) throw new RetryLater(10);
  });
  await client.emit("later:one", 1, { target: "moderator" });
  assert.deepEqual(await attempts.count(2), [1, 2]);
  assert.throws(() => new RetryLater(-1), RangeError);
});

test("a long handler keeps its event by saying that it works", async (t) => {
  const client = await attached(t, "moderator");
  const attempts = new Heard();
  const { open, opened } = gate();
  let context;
  await client.on("long:*", { group: "long", retry: { ackMs: 400, backoffMs: [10, 10] } }, async (payload, given) => {
    attempts.add([payload, given.attempt]);
    if (payload !== "long") return;
    context = given;
    // Twice as long as an answer may take, and an event between says that time has passed.
    for (let times = 0; times < 8; times += 1) {
      await given.progress();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    open();
  });
  await client.emit("long:one", "long", { target: "moderator" });
  await within(opened);
  await client.emit("long:one", "after", { target: "moderator" });
  assert.deepEqual(await attempts.count(2), [["long", 1], ["after", 1]]);
  await until(() => context.progress().then(() => false, code("UNKNOWN_DELIVERY")), "it is acknowledged");
});

test("credit bounds what is handled at the same time", async (t) => {
  const client = await attached(t, "moderator");
  const [began, ended] = [new Heard(), new Heard()];
  const { open, opened } = gate();
  await client.on("few:*", { group: "few", credit: 2 }, async (payload) => {
    began.add(payload);
    await opened;
    ended.add(payload);
  });
  for (let n = 0; n < 5; n += 1) await client.emit("few:one", n, { target: "moderator" });
  await began.count(2);
  await client.jsonlex(1);
  assert.equal(began.items.length, 2);
  open();
  assert.deepEqual((await ended.count(5)).sort(), [0, 1, 2, 3, 4]);
});

test("a member in Node and one in Python share a group", async (t) => {
  t.after(() => world("stop_workers", { service: "moderator" }));
  const client = await attached(t, "moderator");
  const emitter = await attached(t, "atlas");
  const [heard, total] = [new Heard(), 200];
  await client.on("share:*", { group: "share", credit: 4 }, (payload) => heard.add(payload));
  await world("join", { service: "moderator", group: "share", event: "share:*", credit: 4 });
  const numbers = Array.from({ length: total }, (_, number) => number);
  await Promise.all(numbers.map((number) => emitter.emit("share:one", number, { target: "moderator" })));
  let theirs = [];
  await until(async () => (theirs = await world("handled")).length + heard.items.length >= total, "all are handled");
  assert.deepEqual([...theirs, ...heard.items].sort((a, b) => a - b), numbers);
  assert.ok(theirs.length > 0 && heard.items.length > 0, `${theirs.length} and ${heard.items.length}`);
});

test("two members in Node share a group, and what one that leaves has not done goes to the other", async (t) => {
  const one = await attached(t, "moderator");
  const other = await attached(t, "moderator");
  const emitter = await attached(t, "atlas");
  const [held, handled] = [new Heard(), new Heard()];
  const signals = [];
  await one.on("leave:*", { group: "leave", credit: 2, retry }, async (payload, { signal }) => {
    held.add(payload);
    signals.push(signal);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  });
  for (let n = 0; n < 6; n += 1) await emitter.emit("leave:one", n, { target: "moderator" });
  await held.count(2);
  await other.on("leave:*", { group: "leave", credit: 2, retry }, (payload) => handled.add(payload));
  await handled.count(4);
  await one.close({ timeoutMs: 50 });
  assert.deepEqual((await handled.count(6)).sort(), [0, 1, 2, 3, 4, 5]);
  assert.ok(signals.every(({ aborted }) => aborted));
});

test("a group has one handler in a client, can be left, and can be deleted", async (t) => {
  const client = await attached(t, "moderator");
  const heard = new Heard();
  const subscription = await client.on("gone:*", { group: "gone" }, (payload) => heard.add(payload));
  await assert.rejects(client.on("gone:*", { group: "gone" }, () => undefined), code("CONFLICT"));
  await assert.rejects(client.on("gone:*", { group: "no good name" }, () => undefined), code("INVALID_GROUP"));
  await subscription.stop();
  await client.emit("gone:one", 1, { target: "moderator" });
  const again = await client.on("gone:*", { group: "gone" }, (payload) => heard.add(payload));
  assert.deepEqual(await heard.count(1), [1]);
  await again.stop({ forget: true });
  await client.emit("gone:one", 2, { target: "moderator" });
  await client.on("gone:*", { group: "gone" }, (payload) => heard.add(payload));
  await client.emit("gone:one", 3, { target: "moderator" });
  assert.deepEqual(await heard.count(2), [1, 3]);
});
