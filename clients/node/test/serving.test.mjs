// Calls and resources, both ways between Node and Python.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IPCError } from "@exprsn/ipc";
import { attached, gate, Heard, within, world } from "./support/world.mjs";

const code = (expected) => (error) => error instanceof IPCError && error.code === expected;

test("a resource in Node answers callers in Python", async (t) => {
  t.after(() => world("stop_workers", { service: "timeline" }));
  const client = await attached(t, "filevault");
  await client.serve("files", {
    read: async ({ key, query, source, op, resource, deadlineMs }) => ({ key, query, source, op, resource, hasTime: deadlineMs > 0 }),
    publish: ({ data }) => data,
    nothing: () => undefined,
  });
  const call = (op, more) => world("call", { service: "timeline", op, resource: "files", ...more });
  assert.deepEqual(await call("read", { key: "7", query: { full: true } }), {
    data: { key: "7", query: { full: true }, source: "exprsn-timeline", op: "read", resource: "files", hasTime: true },
  });
  assert.deepEqual(await call("publish", { data: [1, null, "ü"] }), { data: [1, null, "ü"] });
  assert.deepEqual(await call("nothing"), { data: null });
  assert.equal((await call("destroy")).error.code, "METHOD_NOT_ALLOWED");
});

test("what an operation throws is passed on with its code, and a bug without its text", async (t) => {
  t.after(() => world("stop_workers", { service: "timeline" }));
  const client = await attached(t, "filevault");
  const failed = new Heard();
  client.hook("handlerError", (error, where) => failed.add([error.message, where]));
  await client.serve("torn", {
    read: ({ key }) => {
      if (key === "mine") throw new IPCError("PAGE_TORN", "page 3 is torn", { retryable: true, details: { page: 3 } });
      if (key === "none") throw new IPCError("NOT_FOUND", "there is none");
      if (key === "huge") return "x".repeat(2 * 1024 * 1024);
      throw new Error("the password is wrong");
    },
  });
  const read = async (key) => (await world("call", { service: "timeline", op: "read", resource: "torn", key })).error;
  // A code of the owner's own has no place in Python's table.
  assert.match((await read("mine")).message, /PAGE_TORN: page 3 is torn/);
  const caller = await attached(t, "herald");
  const torn = await caller.read("torn", { key: "mine" }).catch((error) => error);
  assert.ok(code("PAGE_TORN")(torn));
  assert.deepEqual([torn.message, torn.retryable, torn.details], ["page 3 is torn", true, { page: 3 }]);
  assert.equal((await read("none")).code, "NOT_FOUND");
  assert.equal((await read("huge")).code, "DATA_TOO_LARGE");
  const bug = await read("bug");
  assert.equal(bug.code, "INTERNAL");
  assert.ok(!bug.message.includes("password"));
  assert.deepEqual(failed.items, [["the password is wrong", "torn.read"]]);
  assert.equal(client.isConnected, true);
});

test("a call that nobody waits for any more is aborted", async (t) => {
  t.after(() => world("stop_workers", { service: "timeline" }));
  const client = await attached(t, "filevault");
  const { open, opened } = gate();
  await client.serve("slow", {
    read: ({ signal }) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          open(signal.aborted);
          resolve(null);
        });
      }),
  });
  const { error } = await world("call", { service: "timeline", op: "read", resource: "slow", timeout_s: 0.2 });
  assert.equal(error.code, "TIMEOUT");
  assert.equal(await within(opened), true);
});

test("Node calls a resource in Python, and hears its errors", async (t) => {
  t.after(() => world("stop_workers", { service: "timeline" }));
  await world("serve", { service: "timeline", resource: "notes" });
  const client = await attached(t, "herald");
  assert.deepEqual(await client.read("notes", { key: 5 }), { key: 5, by: "exprsn-herald" });
  assert.deepEqual(await client.create("notes", { a: 1 }), { created: { a: 1 } });
  assert.deepEqual(await client.update("notes", 5, { a: 2 }, { timeoutMs: 5_000 }), { updated: [5, { a: 2 }] });
  assert.deepEqual(await client.delete("notes", "5", { idempotencyKey: "once" }), { deleted: "5" });
  const missing = await client.read("notes", { key: "missing" }).catch((error) => error);
  assert.ok(code("NOT_FOUND")(missing));
  assert.deepEqual([missing.retryable, missing.details], [false, { key: "missing" }]);
  await assert.rejects(client.call("publish", "notes"), code("METHOD_NOT_ALLOWED"));
});

test("a call ends in time, and can be taken back", async (t) => {
  const client = await attached(t, "herald");
  const { open, opened } = gate();
  t.after(open);
  const began = new Heard();
  const aborted = new Heard();
  await client.serve("stuck", {
    read: ({ key, signal }) => {
      began.add(key);
      signal.addEventListener("abort", () => aborted.add(key));
      return opened;
    },
  });
  await assert.rejects(client.read("stuck", { key: 1 }, { timeoutMs: 300 }), code("TIMEOUT"));
  const aborter = new AbortController();
  await aborted.count(1);
  const called = client.read("stuck", { key: 2 }, { signal: aborter.signal, timeoutMs: 60_000 });
  await began.count(2);
  aborter.abort();
  await assert.rejects(called, code("CANCELLED"));
  assert.deepEqual(await aborted.count(2), [1, 2]);
  await assert.rejects(client.read("stuck", { key: 3 }, { signal: aborter.signal }), code("CANCELLED"));
  await assert.rejects(client.read("nobody-has-it", { key: 1 }), code("NO_OWNER"));
});

test("a resource belongs to one service, and is served once by a client", async (t) => {
  const client = await attached(t, "herald");
  const other = await attached(t, "spark");
  await client.serve("owned", { read: () => 1 }, { limit: 4 });
  await assert.rejects(client.serve("owned", { read: () => 2 }), code("CONFLICT"));
  await assert.rejects(client.serve("empty", {}), code("INVALID_RESOURCE"));
  await assert.rejects(other.serve("owned", { read: () => 3 }), code("RESOURCE_TAKEN"));
  await other.serve("mine", { read: () => 4 });
  assert.deepEqual([await other.read("owned", { key: 1 }), await client.read("mine", { key: 1 })], [1, 4]);
});

test("JSONLex is evaluated by the bridge", async (t) => {
  const client = await attached(t, "herald");
  const expression = { __jsonlex: true, expr: { adult: { $gte: [{ $var: "age" }, 18] } } };
  assert.deepEqual(await client.jsonlex(expression, { age: 25 }), { adult: true });
  assert.deepEqual(await client.jsonlex({ plain: 1 }), { plain: 1 });
  const wrong = await client.jsonlex({ __jsonlex: true, expr: { $gte: [1] } }).catch((error) => error);
  assert.ok(code("JSONLEX_INVALID")(wrong));
  assert.equal(typeof wrong.details.pointer, "string");
});
