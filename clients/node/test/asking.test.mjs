// How things stand in the mesh, and the state of a token: asked by Node, answered by the bridge.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IPCError } from "@exprsn/ipc";
import { road } from "./support/proxy.mjs";
import { attached, Heard, until, within, world } from "./support/world.mjs";

const code = (expected) => (error) => error instanceof IPCError && error.code === expected;
const stateful = (service) => world("token", { service, stateful: true });

test("the ledger says what a group has done with an event", async (t) => {
  const client = await attached(t, "moderator");
  await client.on("asked:*", { group: "asked", retry: { backoffMs: [] } }, (payload) => {
    if (payload === "bad") throw new Error("no good");
  });
  const good = await client.emit("asked:one", "good", { target: "moderator" });
  const bad = await client.emit("asked:one", "bad", { target: "moderator" });
  const stateOf = async ({ id }) => (await client.status(id)).groups.find(({ group }) => group === "asked")?.state;
  await until(async () => (await stateOf(good)) === "acked", "the first is acknowledged");
  await until(async () => (await stateOf(bad)) === "dead", "the second is a dead letter");
  const log = "exprsn-moderator";
  const status = await client.status(good.id, { log, position: good.position, source: "moderator" });
  assert.deepEqual([status.id, status.event, status.source, status.target], [good.id, "asked:one", log, log]);
  assert.deepEqual(status.logs, [{ log, position: good.position, inLog: true }]);
  const acked = status.groups.find(({ group }) => group === "asked");
  assert.deepEqual([acked.attempt, acked.offline, typeof acked.ackedInMs], [1, false, "number"]);
});

test("what nobody has emitted, and what others have, is not told", async (t) => {
  const client = await attached(t, "moderator");
  const other = await attached(t, "prefetch");
  const { id } = await other.emit("asked:one", 1, { target: "prefetch" });
  const missing = await client.status("nobody-has-it").catch((error) => error);
  assert.ok(code("EVENT_NOT_FOUND")(missing));
  assert.equal(typeof missing.details.looked, "number");
  await assert.rejects(client.status(id), code("EVENT_NOT_FOUND"));
  await assert.rejects(client.status(id, { source: "prefetch" }), code("FORBIDDEN"));
  const operator = await attached(t, "moderator", { token: await world("token", { service: "moderator", permissions: ["*"] }) });
  assert.equal((await operator.status(id, { source: "prefetch" })).source, "exprsn-prefetch");
  for (const wrong of ["", "x".repeat(65), 7, undefined]) await assert.rejects(client.status(wrong), code("INVALID_MESSAGE"));
  await assert.rejects(client.status(id, { source: "x".repeat(2 * 1024 * 1024) }), code("DATA_TOO_LARGE"));
  await assert.rejects(client.status(id, { position: "1-0" }), code("INVALID_MESSAGE"));
  await assert.rejects(client.status(id, { log: "broadcast", position: "first" }), code("INVALID_POSITION"));
});

test("services are known with their instances, resources and figures", async (t) => {
  const client = await attached(t, "prefetch", { version: "1.2.3" });
  await client.serve("ahead", { read: () => 1 });
  await client.on("ahead:*", { group: "ahead" }, () => undefined);
  await client.read("ahead", { key: 1 });
  const { services, hasMore } = await client.services("prefetch");
  const [service] = services;
  assert.deepEqual([services.length, hasMore, service.name, service.namespace], [1, false, "exprsn-prefetch", "/ipc/prefetch"]);
  const instance = service.instances.find(({ version }) => version === "1.2.3");
  assert.deepEqual([instance.pid, instance.door], [process.pid, "socketio"]);
  assert.deepEqual(instance.resources, [{ name: "ahead", ops: ["read"] }]);
  assert.deepEqual(instance.groups, [{ group: "ahead", events: ["ahead:*"] }]);
  assert.ok(service.endpoints.some(({ resource, op, requests }) => resource === "ahead" && op === "read" && requests >= 1));
  assert.ok((await client.services()).services.some(({ name }) => name === "exprsn-prefetch"));
  await assert.rejects(client.services("nobody"), code("UNKNOWN_SERVICE"));
  await assert.rejects(client.services(7), code("INVALID_MESSAGE"));
  await assert.rejects(client.services("x".repeat(2 * 1024 * 1024)), code("DATA_TOO_LARGE"));
  assert.equal(client.isConnected, true);
});

test("who would get an event is explained, and nothing is emitted", async (t) => {
  const client = await attached(t, "prefetch");
  const heard = new Heard();
  await client.on("plan:*", { where: { $gt: [{ $var: "data.n" }, 1] } }, (payload) => heard.add(payload.n));
  await client.on("plan:*", { group: "plan" }, () => undefined);
  const explain = (n) => client.explain("plan:made", { n }, { target: "prefetch", meta: { a: 1 } });
  const [little, much] = [await explain(1), await explain(2)];
  const verdict = ({ live }) => live.filter(({ service }) => service === "exprsn-prefetch").map(({ reason }) => reason);
  assert.ok(verdict(little).includes("where"));
  assert.ok(verdict(much).includes("match"));
  assert.ok(much.groups.some(({ group, gets, offline }) => group === "plan" && gets && !offline));
  assert.deepEqual([much.event, much.source, much.target, much.refused], ["plan:made", "exprsn-prefetch", ["exprsn-prefetch"], null]);
  await client.emit("plan:made", { n: 5 }, { target: "prefetch" });
  assert.deepEqual(await heard.count(1), [5]);
});

test("what cannot be explained is refused", async (t) => {
  const client = await attached(t, "prefetch");
  await assert.rejects(client.explain("nonsense", 1), code("INVALID_EVENT"));
  await assert.rejects(client.explain("plan:made", Buffer.from("abc")), code("INVALID_DATA"));
  await assert.rejects(client.explain("plan:made", "x".repeat(256 * 1024)), code("DATA_TOO_LARGE"));
  await assert.rejects(client.explain("plan:made", 1, { target: ["x".repeat(2 * 1024 * 1024)] }), code("DATA_TOO_LARGE"));
  await assert.rejects(client.explain("plan:made", 1, { meta: { a: "x".repeat(256 * 1024) } }), code("DATA_TOO_LARGE"));
  await assert.rejects(client.explain("plan:made", 1, { target: "nobody" }), code("UNKNOWN_TARGET"));
  await assert.rejects(client.explain("plan:made", 1, { source: "spark" }), code("FORBIDDEN"));
  const token = await world("token", { service: "prefetch", permissions: ["emit:other:*"] });
  const poor = await attached(t, "prefetch", { token });
  assert.equal((await poor.explain("plan:made", 1)).refused.code, "FORBIDDEN");
});

test("the state of a token is read, set, compared and deleted", async (t) => {
  const client = await attached(t, "setup");
  const state = client.state(await stateful("setup"));
  assert.equal(await state.get(), null);
  await state.set({ step: 1, names: ["ü", null] }, { expected: null });
  assert.deepEqual(await state.get(), { step: 1, names: ["ü", null] });
  await assert.rejects(state.set({ step: 2 }, { expected: null }), code("CONFLICT"));
  await assert.rejects(state.set({ step: 2 }, { expected: { step: 0 } }), code("CONFLICT"));
  await state.set({ step: 2 }, { expected: await state.get() });
  await state.set(3);
  assert.equal(await state.get(), 3);
  await state.delete();
  await state.delete();
  assert.equal(await state.get(), null);
});

test("of two that set a state at the same time one is told that it came too late", async (t) => {
  const [one, other] = [await attached(t, "setup"), await attached(t, "setup")];
  const token = await stateful("setup");
  await one.state(token).set(0);
  const asked = [one, other].map((client, n) => client.state(token).set(n + 1, { expected: 0 }));
  const became = await Promise.allSettled(asked);
  assert.deepEqual(became.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assert.ok(code("CONFLICT")(became.find(({ status }) => status === "rejected").reason));
  assert.equal(await one.state(token).get(), became[0].status === "fulfilled" ? 1 : 2);
});

test("a state is for whose token it is, and is no larger than it may be", async (t) => {
  const client = await attached(t, "setup");
  const state = client.state(await stateful("setup"));
  for (const wrong of ["", "x".repeat(16_385), undefined, 7]) assert.throws(() => client.state(wrong), code("INVALID_MESSAGE"));
  await assert.rejects(state.set("x".repeat(256 * 1024)), code("DATA_TOO_LARGE"));
  await assert.rejects(state.set(1, { expected: "x".repeat(256 * 1024) }), code("DATA_TOO_LARGE"));
  await assert.rejects(state.set({ image: Buffer.from("abc") }), code("INVALID_DATA"));
  await assert.rejects(client.state(await stateful("spark")).get(), code("TOKEN_WRONG_SERVICE"));
  await assert.rejects(client.state(await world("token", { service: "setup" })).get(), code("INVALID_MESSAGE"));
  const secret = "header.not-to-be-in-a-log.signature";
  const refused = await client.state(secret).get().catch((error) => error);
  assert.ok(code("TOKEN_INVALID")(refused));
  assert.ok(!JSON.stringify([refused.message, refused.details ?? null]).includes("not-to-be-in-a-log"));
  const token = await world("token", { service: "setup", permissions: ["emit:*"] });
  const poor = await attached(t, "setup", { token });
  await assert.rejects(poor.state(await stateful("setup")).get(), code("FORBIDDEN"));
});

test("questions wait for a connection until their time is over, and are asked again over a lost one", async (t) => {
  const way = await road(t);
  const client = await attached(t, "setup", { url: way.url });
  const lost = new Heard();
  client.hook("lost", lost.add);
  way.close();
  await lost.count(1);
  await assert.rejects(client.services("setup", { timeoutMs: 50 }), code("TIMEOUT"));
  const aborter = new AbortController();
  const taken = client.services("setup", { signal: aborter.signal });
  aborter.abort();
  await assert.rejects(taken, code("CANCELLED"));
  const asked = client.services("setup", { timeoutMs: 20_000 });
  way.open();
  assert.equal((await within(asked)).services[0].name, "exprsn-setup");
  // Answered on a road that nothing comes back by.
  way.mute();
  const unheard = client.services("setup", { timeoutMs: 20_000 });
  const set = client.state(await stateful("setup")).set(1, { timeoutMs: 20_000 });
  way.drop();
  await within(Promise.all([unheard, set]));
});

test("a state that is compared is not set a second time when the answer is lost", async (t) => {
  const way = await road(t);
  const client = await attached(t, "setup", { url: way.url });
  const other = await attached(t, "setup");
  const token = await stateful("setup");
  await other.state(token).set(1);
  way.mute();
  const set = client.state(token).set(2, { expected: 1, timeoutMs: 20_000 });
  await until(async () => (await other.state(token).get()) === 2, "it is set");
  way.drop();
  await assert.rejects(within(set), (error) => code("UNAVAILABLE")(error) && /may have been carried out/.test(error.message));
});
