// The bridge dies and comes back: nothing is lost, nothing comes twice, and everything is made anew.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IPCError } from "@exprsn/ipc";
import { attached, CA, CERTS_DIR, BRIDGE_URL, gate, Heard, until, within, world } from "./support/world.mjs";
import { connect } from "@exprsn/ipc";

const code = (expected) => (error) => error instanceof IPCError && error.code === expected;

test("a client lives through the death of its bridge", async (t) => {
  t.after(() => world("stop_workers"));
  const client = await attached(t, "pulse");
  const [live, grouped, ready, lost] = [new Heard(), new Heard(), new Heard(), new Heard()];
  client.hook("ready", ready.add);
  client.hook("lost", lost.add);
  await client.on("beat:*", (payload) => live.add(payload));
  await client.on("beat:*", { group: "beats", retry: { backoffMs: [10, 10, 10] } }, (payload) => grouped.add(payload));
  await client.serve("beats", { read: ({ key }) => `beat ${key}` });
  for (let n = 0; n < 5; n += 1) await client.emit("beat:one", n, { target: "pulse" });
  await live.count(5);
  await world("kill");
  await lost.count(1);
  assert.equal(client.isConnected, false);
  const whileAway = [5, 6, 7].map((n) => client.emit("beat:one", n, { target: "pulse", timeoutMs: 60_000 }));
  const called = client.read("beats", { key: 1 }, { timeoutMs: 60_000 });
  assert.equal(client.waiting, 3);
  await world("start");
  const emitted = await within(Promise.all(whileAway));
  assert.deepEqual(emitted.map(({ duplicate }) => duplicate), [false, false, false]);
  assert.equal(await within(called), "beat 1");
  await client.emit("beat:one", 8, { target: "pulse" });
  assert.deepEqual(await live.count(9), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  await until(() => new Set(grouped.items).size === 9, "all nine in the group");
  assert.equal((await world("call", { service: "timeline", op: "read", resource: "beats", key: "2" })).data, "beat 2");
  assert.equal(ready.items.length, 1);
});

test("events that others emit while a client is away are heard when it is back", async (t) => {
  const certificate = { cert: `${CERTS_DIR}/exprsn-spark-cert.pem`, key: `${CERTS_DIR}/exprsn-spark-key.pem` };
  const client = await connect({ url: BRIDGE_URL, service: "spark", ca: CA, certificate });
  t.after(() => client.close());
  const emitter = await attached(t, "atlas");
  const heard = new Heard();
  const { open, opened } = gate();
  await client.on("away:*", async (payload) => {
    heard.add(payload);
    // What was taken before the connection was lost is still handled, and does not come again.
    if (payload === 0) await opened;
  });
  const all = [];
  for (let n = 0; n < 300; n += 1) {
    all.push(emitter.emit("away:one", n, { target: "spark", timeoutMs: 60_000 }));
    if (n === 150) await all[100];
  }
  await world("kill");
  await world("start");
  open();
  await within(Promise.all(all));
  assert.deepEqual(await heard.count(300), Array.from({ length: 300 }, (_, n) => n));
});

test("an answer that comes after the connection was lost is for nobody", async (t) => {
  const client = await attached(t, "pulse");
  const attempts = new Heard();
  const { open, opened } = gate();
  await client.on("stale:*", { group: "stale", credit: 4, retry: { ackMs: 60_000, backoffMs: [10, 10, 10] } }, async (payload, context) => {
    attempts.add([payload, context.attempt]);
    // The first one ends when the second session holds the next event, unanswered, under the same number.
    if (payload === "first" && context.attempt === 1) await opened;
    if (payload === "held") await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
  });
  await client.emit("stale:one", "first", { target: "pulse" });
  await attempts.count(1);
  await world("kill");
  await world("start");
  await until(() => attempts.items.some(([payload, attempt]) => payload === "first" && attempt > 1), "the first again");
  await client.emit("stale:one", "held", { target: "pulse", timeoutMs: 60_000 });
  await until(() => attempts.items.some(([payload]) => payload === "held"), "the second is held");
  open();
  await client.jsonlex(1);
  await world("kill");
  await world("start");
  const again = await attempts.count(attempts.items.length + 1);
  assert.deepEqual(again.at(-1)[0], "held");
});

test("what waits while the bridge is away is bounded in number, size and time", async (t) => {
  const client = await attached(t, "pulse", { maxWaiting: 3, maxWaitingBytes: 1_000 });
  const lost = new Heard();
  client.hook("lost", lost.add);
  await world("kill");
  await lost.count(1);
  const late = client.emit("wait:one", 1, { timeoutMs: 50 });
  await assert.rejects(client.emit("wait:one", "x".repeat(1_000)), code("OVERLOADED"));
  const kept = [2, 3].map((n) => client.emit("wait:one", n, { timeoutMs: 60_000 }));
  const full = await client.emit("wait:one", 4).catch((error) => error);
  assert.ok(code("OVERLOADED")(full));
  assert.match(full.message, /wait:one/);
  assert.equal(full.retryable, true);
  await assert.rejects(late, code("TIMEOUT"));
  await assert.rejects(client.read("beats", { key: 1 }, { timeoutMs: 50 }), code("TIMEOUT"));
  await assert.rejects(client.on("wait:*", { timeoutMs: 50 }, () => undefined), code("TIMEOUT"));
  await world("start");
  assert.deepEqual((await within(Promise.all(kept))).map(({ duplicate }) => duplicate), [false, false]);
});

test("a bridge that stops in order is left and found again", async (t) => {
  const client = await attached(t, "pulse");
  const [notices, ready] = [new Heard(), new Heard()];
  client.hook("notice", notices.add);
  client.hook("ready", ready.add);
  await world("terminate");
  await world("start");
  await ready.count(1);
  assert.ok(notices.items.some(({ notice }) => notice === "draining"));
  await client.emit("beat:one", 1);
});
