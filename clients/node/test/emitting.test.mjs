// Emits: once in the log, refused with a reason, or given up in time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IPCError } from "@exprsn/ipc";
import { attached, Heard, world } from "./support/world.mjs";

const code = (expected) => (error) => error instanceof IPCError && error.code === expected;

test("an emit says where the event is", async (t) => {
  const client = await attached(t, "atlas");
  const toAll = await client.emit("place:found", { name: "x" });
  assert.match(toAll.position, /^\d+-\d+$/);
  assert.deepEqual(toAll.positions, { broadcast: toAll.position });
  assert.equal(toAll.duplicate, false);
  const toTwo = await client.emit("place:found", { name: "x" }, { target: ["vault", "exprsn-live"], meta: { a: 1 } });
  assert.deepEqual(Object.keys(toTwo.positions).sort(), ["exprsn-live", "exprsn-vault"]);
});

test("an emit with an id that was used is a repeat", async (t) => {
  const client = await attached(t, "atlas");
  const first = await client.emit("place:found", 1, { id: "place-1-found" });
  const second = await client.emit("place:found", 1, { id: "place-1-found" });
  assert.deepEqual(second, { ...first, duplicate: true });
  assert.equal(first.id, "place-1-found");
});

test("many emits at once arrive in their order", async (t) => {
  const client = await attached(t, "atlas");
  const heard = new Heard();
  await client.on("many:*", (payload) => heard.add(payload));
  const numbers = Array.from({ length: 1_000 }, (_, number) => number);
  await Promise.all(numbers.map((number) => client.emit("many:one", number, { target: "atlas" })));
  assert.deepEqual(await heard.count(1_000), numbers);
});

test("what is wrong is refused before it is sent", async (t) => {
  const client = await attached(t, "atlas");
  const around = {};
  around.self = around;
  await assert.rejects(client.emit("nonsense", 1), code("INVALID_EVENT"));
  await assert.rejects(client.emit("place:found", around), code("INVALID_DATA"));
  await assert.rejects(client.emit("place:found", 10n), code("INVALID_DATA"));
  await assert.rejects(client.emit("place:found", { image: Buffer.from("abc") }), code("INVALID_DATA"));
  await assert.rejects(client.emit("place:found", 1, { id: "x".repeat(65) }), code("INVALID_MESSAGE"));
});

test("a payload that is too large is refused, and the session goes on", async (t) => {
  const client = await attached(t, "atlas");
  for (const size of [256 * 1024, 3 * 1024 * 1024]) {
    const refused = await client.emit("place:found", "x".repeat(size)).catch((error) => error);
    assert.ok(code("DATA_TOO_LARGE")(refused));
    assert.equal(refused.details.limit, 256 * 1024);
  }
  await client.emit("place:found", "x".repeat(256 * 1024 - 2));
  await assert.rejects(client.call("read", "places", { query: "x".repeat(2 * 1024 * 1024) }), code("DATA_TOO_LARGE"));
  assert.equal(client.isConnected, true);
});

test("what the bridge refuses is told once, with its code", async (t) => {
  const errors = new Heard();
  const token = await world("token", { service: "atlas", permissions: ["emit:place:*"] });
  const client = await attached(t, "atlas", { token });
  client.hook("error", errors.add);
  await assert.rejects(client.emit("other:thing", 1), code("FORBIDDEN"));
  await assert.rejects(client.emit("place:found", 1, { target: "nobody" }), code("UNKNOWN_TARGET"));
  assert.deepEqual(await client.emit("other:thing", 1, { id: "unheard", requireAck: false }), {
    id: "unheard",
    position: undefined,
    positions: {},
    duplicate: false,
  });
  const [error] = await errors.count(1);
  assert.equal(error.code, "FORBIDDEN");
  assert.equal(errors.items.length, 1);
});

test("an emit without an acknowledgement arrives", async (t) => {
  const client = await attached(t, "atlas");
  const heard = new Heard();
  await client.on("quiet:*", (payload, { id, source, meta }) => heard.add([payload, id, source, meta]));
  await client.emit("quiet:one", { a: 1 }, { id: "quiet-1", requireAck: false, meta: { b: 2 } });
  assert.deepEqual(await heard.count(1), [[{ a: 1 }, "quiet-1", "exprsn-atlas", { b: 2 }]]);
});

test("a payload is sent as it was when it was emitted", async (t) => {
  const client = await attached(t, "atlas");
  const heard = new Heard();
  await client.on("copy:*", (payload) => heard.add(payload));
  const payload = { n: 1 };
  const emitted = client.emit("copy:one", payload);
  payload.n = 2;
  await emitted;
  assert.deepEqual(await heard.count(1), [{ n: 1 }]);
});
