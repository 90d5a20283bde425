// The bridge itself dies, or stops in order, and comes back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "@exprsn/ipc";
import { attached, BRIDGE_URL, CA, CERTS_DIR, gate, Heard, until, within, world } from "./support/world.mjs";

test("a client with a certificate lives through the death of its bridge", async (t) => {
  t.after(() => world("stop_workers", { service: "timeline" }));
  const certificate = { cert: `${CERTS_DIR}/exprsn-spark-cert.pem`, key: `${CERTS_DIR}/exprsn-spark-key.pem` };
  const client = await connect({ url: BRIDGE_URL, service: "spark", ca: CA, certificate });
  t.after(() => client.close());
  const [live, grouped, ready, lost] = [new Heard(), new Heard(), new Heard(), new Heard()];
  client.hook("ready", ready.add);
  client.hook("lost", lost.add);
  await client.on("beat:*", (payload) => live.add(payload));
  await client.on("beat:*", { group: "beats", retry: { backoffMs: [10, 10, 10] } }, (payload) => grouped.add(payload));
  await client.serve("beats", { read: ({ key }) => `beat ${key}` });
  for (let n = 0; n < 5; n += 1) await client.emit("beat:one", n, { target: "spark" });
  await live.count(5);
  const [handles, { open, opened }] = [new Heard(), gate()];
  const operated = client.operation("beat", { total: 2 }, (handle) => (handles.add(handle), opened));
  const [operation] = await handles.count(1);
  await world("kill");
  await lost.count(1);
  const whileAway = [5, 6, 7].map((n) => client.emit("beat:one", n, { target: "spark", timeoutMs: 60_000 }));
  await operation.progress(1, "while it is away");
  const called = client.read("beats", { key: 1 }, { timeoutMs: 60_000 });
  await world("start");
  const emitted = await within(Promise.all(whileAway));
  assert.deepEqual(emitted.map(({ duplicate }) => duplicate), [false, false, false]);
  assert.equal(await within(called), "beat 1");
  await client.emit("beat:one", 8, { target: "spark" });
  assert.deepEqual(await live.count(9), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  await until(() => new Set(grouped.items).size === 9, "all nine in the group");
  assert.equal((await world("call", { service: "timeline", op: "read", resource: "beats", key: "2" })).data, "beat 2");
  assert.equal(ready.items.length, 1);
  await until(async () => (await client.operations())[0].text === "while it is away", "the new bridge knows of the operation");
  open("done");
  assert.equal(await within(operated), "done");
  assert.deepEqual((await client.operations()).map(({ id, status }) => [id, status]), [[operation.id, "done"]]);
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
