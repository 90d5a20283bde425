// The connection is cut: nothing is lost, nothing comes twice, and everything is made anew.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IPCError } from "@exprsn/ipc";
import { road } from "./support/proxy.mjs";
import { attached, gate, Heard, until, within } from "./support/world.mjs";

const code = (expected) => (error) => error instanceof IPCError && error.code === expected;

test("live events come once and in their order over connections that are cut again and again", async (t) => {
  const way = await road(t);
  const client = await attached(t, "live", { url: way.url });
  const emitter = await attached(t, "atlas");
  const [heard, ready] = [new Heard(), new Heard()];
  client.hook("ready", ready.add);
  const { open, opened } = gate();
  await client.on("stream:*", async (payload) => {
    heard.add(payload);
    // What was taken before is still handled, and does not come again.
    if (payload === 0) await opened;
  });
  const all = [];
  for (let n = 0; n < 400; n += 1) {
    all.push(emitter.emit("stream:part", n, { target: "live" }));
    if (n % 100 === 50) {
      await all[n];
      way.drop();
    }
  }
  await Promise.all(all);
  await ready.count(1);
  open();
  assert.deepEqual(await heard.count(400), Array.from({ length: 400 }, (_, n) => n));
});

test("emits are repeated until they are in the log, and are in it once", async (t) => {
  const way = await road(t);
  const client = await attached(t, "live", { url: way.url });
  const listener = await attached(t, "live");
  const heard = new Heard();
  await listener.on("sent:*", (payload) => heard.add(payload));
  const all = [];
  for (let n = 0; n < 400; n += 1) {
    all.push(client.emit("sent:part", n, { target: "live", timeoutMs: 20_000 }));
    if (n % 100 === 50) {
      await all[n - 40];
      way.drop();
    }
  }
  await within(Promise.all(all));
  await client.emit("sent:last", 400, { target: "live" });
  assert.deepEqual(await heard.count(401), Array.from({ length: 401 }, (_, n) => n));
});

test("groups and resources are there again, and calls that may be repeated are", async (t) => {
  const way = await road(t);
  const client = await attached(t, "live", { url: way.url });
  const [heard, ready] = [new Heard(), new Heard()];
  await client.on("again:*", { group: "again" }, (payload) => heard.add(payload));
  const { open, opened } = gate();
  const reads = new Heard();
  await client.serve("streams", { read: ({ key }) => (reads.add(key), reads.items.length === 1 ? opened : key), create: () => opened });
  client.hook("ready", ready.add);
  const read = client.read("streams", { key: "s" });
  const created = client.create("streams", {});
  await reads.count(1);
  way.drop();
  await assert.rejects(created, code("OWNER_LOST"));
  assert.equal(await within(read), "s");
  await ready.count(1);
  await client.emit("again:one", 1, { target: "live" });
  assert.deepEqual(await heard.count(1), [1]);
  open();
});

test("an answer that comes after the connection was lost is for nobody", async (t) => {
  const way = await road(t);
  const client = await attached(t, "live", { url: way.url });
  const attempts = new Heard();
  const { open, opened } = gate();
  const signals = [];
  const of = (name) => attempts.items.filter(([payload]) => payload === name).length;
  await client.on("stale:*", { group: "stale", credit: 4, retry: { ackMs: 60_000, backoffMs: [10, 10, 10] } }, async (payload, { attempt, signal }) => {
    attempts.add([payload, attempt]);
    signals.push(signal);
    // The first one ends when the second session holds another event, unanswered.
    if (payload === "first" && of("first") === 1) await opened;
    if (payload === "held" && of("held") === 1) await new Promise((resolve) => signal.addEventListener("abort", resolve));
  });
  await client.emit("stale:one", "first", { target: "live" });
  await attempts.count(1);
  way.drop();
  await client.emit("stale:one", "held", { target: "live" });
  await until(() => of("first") === 2 && of("held") === 1, "the first again, and the second");
  assert.equal(signals[0].aborted, true);
  open();
  await client.jsonlex(1);
  way.drop();
  await until(() => of("held") === 2, "the second was not acknowledged");
  assert.equal(of("first"), 2);
});

test("what waits while there is no connection is bounded in number, size and time", async (t) => {
  const way = await road(t);
  const client = await attached(t, "live", { url: way.url, maxWaiting: 3, maxWaitingBytes: 1_000 });
  const lost = new Heard();
  client.hook("lost", lost.add);
  way.close();
  await lost.count(1);
  assert.equal(client.isConnected, false);
  const late = client.emit("wait:one", 1, { timeoutMs: 50 });
  await assert.rejects(client.emit("wait:one", "x".repeat(1_000)), code("OVERLOADED"));
  const kept = [2, 3].map((n) => client.emit("wait:one", n, { timeoutMs: 20_000 }));
  const full = await client.emit("wait:one", 4).catch((error) => error);
  assert.ok(code("OVERLOADED")(full));
  assert.match(full.message, /wait:one/);
  assert.equal(full.retryable, true);
  assert.equal(client.waiting, 3);
  await assert.rejects(late, code("TIMEOUT"));
  await assert.rejects(client.read("streams", { key: 1 }, { timeoutMs: 50 }), code("TIMEOUT"));
  await assert.rejects(client.on("wait:*", { timeoutMs: 50 }, () => undefined), code("TIMEOUT"));
  way.open();
  assert.deepEqual((await within(Promise.all(kept))).map(({ duplicate }) => duplicate), [false, false]);
});

test("a client that cannot reach its bridge any more can be closed, and says what was not sent", async (t) => {
  const way = await road(t);
  const client = await attached(t, "live", { url: way.url });
  const lost = new Heard();
  client.hook("lost", lost.add);
  way.close();
  await lost.count(1);
  const waiting = client.emit("wait:one", 1, { timeoutMs: 60_000 });
  const refused = assert.rejects(waiting, (error) => code("UNAVAILABLE")(error) && /may not be in the log/.test(error.message));
  await within(client.close({ timeoutMs: 50 }));
  await refused;
});
