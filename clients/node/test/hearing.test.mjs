// Live events: which handler hears what, in which order, from where on, and what happens to those that are slow.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IPCError } from "@exprsn/ipc";
import { attached, gate, Heard, until } from "./support/world.mjs";

const code = (expected) => (error) => error instanceof IPCError && error.code === expected;

test("handlers hear what their patterns match", async (t) => {
  const client = await attached(t, "gallery");
  const [one, all, both] = [new Heard(), new Heard(), new Heard()];
  await client.on("image:added", (payload, context) => one.add([payload, context.event, context.source]));
  await client.on("image:*", (payload) => all.add(payload));
  await client.on(["*:added", "album:renamed"], (payload) => both.add(payload));
  await client.emit("image:added", 1);
  await client.emit("image:removed:twice", 2);
  await client.emit("album:renamed", 3);
  await client.emit("album:removed", 4);
  await client.emit("album:added", 5);
  assert.deepEqual(await both.count(3), [1, 3, 5]);
  assert.deepEqual(await all.count(2), [1, 2]);
  assert.deepEqual(one.items, [[1, "image:added", "exprsn-gallery"]]);
});

test("an event whose name is like the door's own is an event like any other", async (t) => {
  const client = await attached(t, "gallery");
  const heard = new Heard();
  await client.on("ipc:*", (payload, { event }) => heard.add([event, payload]));
  await client.emit("ipc:call", { id: "7", resource: "files", op: "read" });
  await client.emit("ipc:welcome", { session: "mine" });
  assert.deepEqual((await heard.count(2)).map(([event]) => event), ["ipc:call", "ipc:welcome"]);
});

test("where chooses, and select shapes", async (t) => {
  const client = await attached(t, "gallery");
  const heard = new Heard();
  const terms = { where: { $gt: [{ $var: "data.n" }, 1] }, select: { twice: { $mul: [{ $var: "data.n" }, 2] } } };
  await client.on("sized:*", terms, (payload) => heard.add(payload));
  for (const n of [1, 2, 3]) await client.emit("sized:one", { n });
  assert.deepEqual(await heard.count(2), [{ twice: 4 }, { twice: 6 }]);
  await assert.rejects(client.on("sized:one", () => undefined), code("CONFLICT"));
  await assert.rejects(client.on("torn:*", { where: { $nonsense: 1 } }, () => undefined), code("JSONLEX_INVALID"));
  await assert.rejects(client.on("nonsense", () => undefined), code("INVALID_PATTERN"));
  await assert.rejects(client.on("torn:*", {}), TypeError);
});

test("a handler that has stopped hears no more", async (t) => {
  const client = await attached(t, "gallery");
  const [stopped, other] = [new Heard(), new Heard()];
  const subscription = await client.on("stop:*", (payload) => stopped.add(payload));
  await client.on("stop:one", (payload) => other.add(payload));
  await client.emit("stop:one", 1);
  await stopped.count(1);
  await subscription.stop();
  await client.emit("stop:one", 2);
  assert.deepEqual(await other.count(2), [1, 2]);
  assert.deepEqual(stopped.items, [1]);
});

test("a handler that throws is told of, and hears the next event", async (t) => {
  const client = await attached(t, "gallery");
  const [heard, failed] = [new Heard(), new Heard()];
  client.hook("handlerError", (error, where) => failed.add([error.message, where]));
  await client.on("torn:*", async (payload) => {
    heard.add(payload);
    throw new Error(`no ${payload}`);
  });
  await client.emit("torn:one", 1);
  await client.emit("torn:two", 2);
  assert.deepEqual(await heard.count(2), [1, 2]);
  assert.deepEqual(await failed.count(2), [["no 1", "torn:one"], ["no 2", "torn:two"]]);
});

test("a handler gets its events one at a time", async (t) => {
  const client = await attached(t, "gallery");
  const began = new Heard();
  const { open, opened } = gate();
  await client.on("slow:*", async (payload) => {
    began.add(payload);
    if (payload === 1) await opened;
  });
  const other = new Heard();
  await client.on("slow:*", (payload) => other.add(payload));
  await client.emit("slow:one", 1);
  await client.emit("slow:one", 2);
  await other.count(2);
  assert.deepEqual(began.items, [1]);
  open();
  assert.deepEqual(await began.count(2), [1, 2]);
});

test("another run goes on where the last one has ended", async (t) => {
  const first = await attached(t, "gallery");
  const heard = new Heard();
  await first.on("run:*", (payload) => heard.add(payload));
  await first.emit("run:lap", 1);
  await heard.count(1);
  await until(() => Object.keys(first.positions).length === 2, "two positions");
  const { positions } = first;
  await first.close();
  const emitter = await attached(t, "atlas");
  for (const n of [2, 3]) await emitter.emit("run:lap", n, { target: "gallery" });
  await emitter.emit("other:lap", 4);
  const second = await attached(t, "gallery", { positions });
  const [runs, others, late] = [new Heard(), new Heard(), new Heard()];
  await second.on("run:*", (payload) => runs.add(payload));
  await second.on("*:lap", (payload) => others.add(payload));
  await second.on("run:*", { since: {} }, (payload) => late.add(payload));
  await emitter.emit("run:lap", 5, { target: "gallery" });
  assert.deepEqual(await runs.count(3), [2, 3, 5]);
  assert.deepEqual((await others.count(4)).sort(), [2, 3, 4, 5]);
  assert.deepEqual(await late.count(1), [5]);
});

test("a handler that begins now does not disturb one that is catching up", async (t) => {
  const first = await attached(t, "gallery");
  await first.on("far:*", () => undefined);
  const { positions } = first;
  await first.close();
  const emitter = await attached(t, "atlas");
  const emit = (n) => emitter.emit("far:one", n, { target: "gallery" });
  const past = Array.from({ length: 900 }, (_, n) => n);
  await Promise.all(past.map(emit));
  const second = await attached(t, "gallery", { positions });
  const [behind, now] = [new Heard(), new Heard()];
  await second.on("far:*", (payload) => behind.add(payload));
  const more = Array.from({ length: 300 }, (_, n) => 900 + n);
  const emitted = Promise.all(more.map(emit));
  await second.on("far:one", { since: {} }, (payload) => now.add(payload));
  await emitted;
  await emit(1_200);
  assert.deepEqual(await behind.count(1_201), [...past, ...more, 1_200]);
  await until(() => now.items.at(-1) === 1_200, "the last one");
  assert.deepEqual(now.items, now.items.map((_, at) => now.items[0] + at));
  assert.ok(now.items[0] >= 900, `it has heard ${now.items[0]}, which was before`);
});

test("a place that the log does not have is a gap", async (t) => {
  const client = await attached(t, "gallery", { positions: { broadcast: "5-5" } });
  const [gaps, heard] = [new Heard(), new Heard()];
  client.hook("gap", gaps.add);
  await client.on("gap:*", (payload) => heard.add(payload));
  const [reasons] = await gaps.count(1);
  assert.deepEqual(Object.keys(reasons), ["broadcast"]);
  await client.emit("gap:one", 1);
  assert.deepEqual(await heard.count(1), [1]);
});

test("what a slow handler has no room for waits in the log, and comes once and in order", async (t) => {
  const client = await attached(t, "gallery");
  const emitter = await attached(t, "atlas");
  const total = 3_000;
  const numbers = Array.from({ length: total }, (_, number) => number);
  const { open, opened } = gate();
  const [slow, quick] = [new Heard(), new Heard()];
  await client.on("flood:*", async (payload) => {
    if (payload === 0) await opened;
    slow.add(payload);
  });
  await client.on("flood:one", (payload) => quick.add(payload));
  await Promise.all(numbers.map((number) => emitter.emit("flood:one", number, { target: "gallery" })));
  // It has taken no more than may wait for the slow one.
  await quick.count(1_000);
  const taken = quick.items.length;
  assert.ok(taken <= 1_001, `${taken} were taken`);
  open();
  assert.deepEqual(await slow.count(total), numbers);
  assert.deepEqual(await quick.count(total), numbers);
});

test("the positions follow what is handled, and what is passed over", async (t) => {
  const client = await attached(t, "gallery");
  // A log that nothing but this file writes to.
  const log = "exprsn-gallery";
  const began = new Heard();
  const { open, opened } = gate();
  await client.on("held:*", (payload) => (began.add(payload), opened));
  const before = client.positions[log];
  await client.emit("held:one", 1, { target: "gallery" });
  const passed = await client.emit("passed:over", 2, { target: "gallery" });
  await began.count(1);
  assert.equal(client.positions[log], before);
  open();
  await until(() => client.positions[log] === passed.position, "the heartbeat's position");
});
