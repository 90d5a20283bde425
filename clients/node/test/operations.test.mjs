// Long operations on a real bridge: how far they are, how they end, and who stops them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { IPCError } from "@exprsn/ipc";
import { road } from "./support/proxy.mjs";
import { attached, gate, Heard, until, within, world } from "./support/world.mjs";

const code = (expected) => (error) => error instanceof IPCError && error.code === expected;
const aborted = (signal) => new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));

async function known(client, id) {
  return (await client.operations()).find((operation) => operation.id === id);
}

/** Begin an operation that does what is wanted, and return its handle and what becomes of it. */
async function begun(client, work, options = {}) {
  const handles = new Heard();
  const became = client.operation("export", options, (operation) => {
    handles.add(operation);
    return work(operation);
  });
  became.catch(() => undefined);
  return { became, operation: (await handles.count(1))[0] };
}

test("an operation says how far it is, and is done when its function returns", async (t) => {
  const client = await attached(t, "payments");
  const watcher = await attached(t, "pulse");
  const heard = new Heard();
  await watcher.on("operation:*", (payload, { event, source }) => {
    if (source === client.service) heard.add([event, payload.percent, payload.text, payload.status]);
  });
  const { open, opened } = gate();
  const { became, operation } = await begun(client, () => opened, { target: "pulse", total: 8 });
  await operation.progress(2, "row 2");
  await until(() => heard.items.length > 0, "the target hears of it");
  assert.deepEqual(heard.items[0], ["operation:progress", 25, "row 2", "running"]);
  assert.deepEqual([operation.percent, operation.name, operation.total, operation.signal.aborted], [25, "export", 8, false]);
  open();
  await within(became);
  await until(() => heard.items.at(-1)[0] === "operation:done", "the target hears of its end");
  const info = await known(client, operation.id);
  assert.deepEqual([info.status, info.done, info.percent, info.error, info.target], ["done", 8, 100, null, "exprsn-pulse"]);
  await assert.rejects(operation.progress(3), code("CONFLICT"));
});

test("what the function returns comes out, and what it throws is why it has failed", async (t) => {
  const client = await attached(t, "payments");
  assert.deepEqual(await client.operation("short", () => ({ rows: 3 })), { rows: 3 });
  const failure = new RangeError(`no row 7 \ud800${"x".repeat(2_000)}`);
  const { became, operation } = await begun(client, async ({ progress }) => {
    await progress(7);
    throw failure;
  });
  await assert.rejects(became, (error) => error === failure);
  const info = await known(client, operation.id);
  assert.deepEqual([info.status, info.done], ["failed", 7]);
  assert.match(info.error, /^RangeError: no row 7 \ufffdx+$/);
  assert.equal(info.error.length, 1_000);
  await assert.rejects(client.operation("coded", () => Promise.reject(new IPCError("NOT_FOUND", "no row 8"))), code("NOT_FOUND"));
  const errorOf = async (wanted) => (await client.operations()).find(({ name }) => name === wanted).error;
  assert.equal(await errorOf("coded"), "NOT_FOUND: no row 8");
  // Also what is no error, or comes before anything else.
  const odd = await client.operation("odd", () => Promise.reject(undefined)).then(assert.fail, (error) => error);
  assert.equal(odd, undefined);
  assert.equal(await errorOf("odd"), "Error: undefined");
});

test("an operator cancels an operation, and its function is told", async (t) => {
  const [client, operator] = [await attached(t, "payments"), await attached(t, "payments")];
  const { became, operation } = await begun(client, ({ signal }) => aborted(signal));
  const notices = new Heard();
  client.hook("notice", (notice) => notices.add({ ...notice, isAborted: operation.signal.aborted }));
  const info = await operator.cancelOperation(operation.id);
  assert.equal(info.status, "cancelled");
  // It returned all the same: what it has made does not count.
  await assert.rejects(within(became), (error) => code("CANCELLED")(error) && error.retryable === false && /export/.test(error.message));
  assert.ok(code("CANCELLED")(operation.signal.reason));
  // At once, and not when it says next that it is at work.
  assert.deepEqual(await notices.count(1), [{ notice: "cancelled", operation: operation.id, isAborted: true }]);
  assert.match((await known(client, operation.id)).error, /^cancelled by exprsn-payments:/);
  assert.equal((await operator.cancelOperation(operation.id)).status, "cancelled");
});

test("what waits with the signal of an operation ends when it is cancelled, and CANCELLED comes out", async (t) => {
  const [client, operator] = [await attached(t, "payments"), await attached(t, "payments")];
  await client.serve("never", { read: ({ signal }) => aborted(signal) });
  const cleaned = new Heard();
  const works = [
    ({ signal }) => sleep(60_000, undefined, { signal }),
    ({ signal }) => client.read("never", { key: 1 }, { signal, timeoutMs: 60_000 }),
    async ({ signal }) => (await aborted(signal), signal.throwIfAborted()),
  ];
  for (const work of works) {
    const { became, operation } = await begun(client, (given) => work(given).finally(() => cleaned.add(given.id)));
    await operator.cancelOperation(operation.id);
    await assert.rejects(within(became), (error) => error === operation.signal.reason && code("CANCELLED")(error));
    assert.equal(cleaned.items.at(-1), operation.id);
  }
  const own = new Error("could not clean up");
  const { became, operation } = await begun(client, async ({ signal }) => (await aborted(signal), Promise.reject(own)));
  await operator.cancelOperation(operation.id);
  await assert.rejects(within(became), (error) => error === own);
});

test("a loop that does nothing but say how far it is can be cancelled", async (t) => {
  const [client, operator] = [await attached(t, "payments"), await attached(t, "payments")];
  const { became, operation } = await begun(client, async (given) => {
    for (let n = 0; ; n += 1) await given.progress(n % 100, `row ${n}`);
  });
  await until(async () => (await known(operator, operation.id)).done > 0, "it is known how far it is");
  await operator.cancelOperation(operation.id);
  await assert.rejects(within(became), code("CANCELLED"));
});

test("an operation goes on over a lost connection, and can be cancelled on the next", async (t) => {
  const way = await road(t);
  const [client, operator] = [await attached(t, "payments", { url: way.url }), await attached(t, "payments")];
  const { open, opened } = gate();
  const first = await begun(client, () => opened);
  const second = await begun(client, ({ signal }) => aborted(signal));
  const [notices, ready] = [new Heard(), new Heard()];
  client.hook("notice", (notice) => notices.add(notice));
  client.hook("ready", ready.add);
  way.close();
  await until(() => !client.isConnected, "it is lost");
  await first.operation.progress(40, "meanwhile");
  const { updatedMs } = await known(operator, second.operation.id);
  way.open();
  await ready.count(1);
  await new Promise((resolve) => setImmediate(resolve));
  // Asked by the same connection, so answered after what it said first: of both how far they are.
  assert.ok((await known(client, second.operation.id)).updatedMs > updatedMs);
  assert.equal((await known(client, first.operation.id)).text, "meanwhile");
  await operator.cancelOperation(second.operation.id);
  await assert.rejects(within(second.became), code("CANCELLED"));
  assert.deepEqual(await notices.count(1), [{ notice: "cancelled", operation: second.operation.id }]);
  // The answer to its end is lost: it is said again, and was heard.
  way.mute();
  open("all");
  await until(async () => (await known(operator, first.operation.id)).status === "done", "it is done");
  way.drop();
  assert.equal(await within(first.became), "all");
});

test("an operation that was cancelled while nobody was connected is told so afterwards", async (t) => {
  const way = await road(t);
  const [client, operator] = [await attached(t, "payments", { url: way.url }), await attached(t, "payments")];
  const { became, operation } = await begun(client, ({ signal }) => aborted(signal));
  way.close();
  await until(() => !client.isConnected, "it is lost");
  await operator.cancelOperation(operation.id);
  way.open();
  await assert.rejects(within(became), code("CANCELLED"));
});

test("a beginning whose answer is lost is begun once more", async (t) => {
  const way = await road(t);
  const [client, other] = [await attached(t, "workflow", { url: way.url }), await attached(t, "workflow")];
  way.mute();
  const became = client.operation("again", { timeoutMs: 20_000 }, ({ id }) => id);
  await until(async () => (await other.operations()).length === 1, "it has begun");
  way.drop();
  const id = await within(became);
  assert.deepEqual((await other.operations()).map((each) => [each.name, each.id === id]), [["again", true], ["again", false]]);
});

test("a client that is closed stops its operations, and says so", async (t) => {
  const [client, other] = [await attached(t, "payments"), await attached(t, "payments")];
  const { open, opened } = gate();
  const told = await begun(client, ({ signal }) => sleep(60_000, undefined, { signal }));
  const deaf = await begun(client, () => opened);
  const closed = client.close();
  await assert.rejects(told.became, (error) => code("UNAVAILABLE")(error) && /closed/.test(error.message));
  await assert.rejects(client.operation("late", () => 1), code("UNAVAILABLE"));
  open("finished");
  // It has done all of its work, although it was told to stop.
  assert.equal(await deaf.became, "finished");
  await closed;
  const info = await known(other, told.operation.id);
  assert.deepEqual([info.status, info.error], ["failed", "the service has stopped it"]);
  assert.equal((await known(other, deaf.operation.id)).status, "done");
});

test("operations of a client that the bridge has refused for good are stopped", async (t) => {
  const token = await world("token", { service: "payments" });
  const client = await attached(t, "payments", { token });
  const errors = new Heard();
  client.hook("error", errors.add);
  const { became } = await begun(client, ({ signal }) => sleep(60_000, undefined, { signal }));
  await world("revoke", { token });
  await assert.rejects(within(became), code("TOKEN_REVOKED"));
  assert.match(errors.items.at(-1).message, /the end of the operation .* was not heard/);
});

test("what is wrong with an operation is refused", async (t) => {
  const client = await attached(t, "payments");
  const work = () => assert.fail("it was begun");
  for (const name of ["", "-a", "a/b", "x".repeat(65), undefined, 7]) {
    await assert.rejects(client.operation(name, work), code("INVALID_MESSAGE"), String(name));
  }
  for (const total of [0, -1, NaN, Infinity, "8"]) {
    await assert.rejects(client.operation("export", { total }, work), code("INVALID_MESSAGE"), String(total));
  }
  await assert.rejects(client.operation("export", { target: "x".repeat(2 * 1024 * 1024) }, work), code("DATA_TOO_LARGE"));
  await assert.rejects(client.operation("export", { target: "nobody" }, work), code("UNKNOWN_SERVICE"));
  await assert.rejects(client.operation("export"), TypeError);
  await assert.rejects(client.operation("export", {}), TypeError);
  await client.operation("export", { total: 8 }, async (operation) => {
    for (const done of [-1, 8.5, NaN, Infinity, "3", undefined]) assert.throws(() => operation.progress(done), code("INVALID_MESSAGE"));
    for (const text of ["x".repeat(501), 7, null]) assert.throws(() => operation.progress(1, text), code("INVALID_MESSAGE"));
    await operation.progress(8, "\u{1f600}".repeat(500));
    assert.equal(operation.percent, 100);
  });
});

test("operations of others are not told, and not cancelled", async (t) => {
  const [client, other] = [await attached(t, "payments"), await attached(t, "spark")];
  const { open, opened } = gate();
  const { became, operation } = await begun(client, () => opened);
  await assert.rejects(other.operations("payments"), code("FORBIDDEN"));
  await assert.rejects(other.cancelOperation(operation.id), code("FORBIDDEN"));
  await assert.rejects(client.cancelOperation("nobody-has-it"), code("NOT_FOUND"));
  await assert.rejects(client.cancelOperation(""), code("INVALID_MESSAGE"));
  await assert.rejects(client.operations("x".repeat(2 * 1024 * 1024)), code("DATA_TOO_LARGE"));
  const poor = await attached(t, "spark", { token: await world("token", { service: "spark", permissions: ["emit:*"] }) });
  await assert.rejects(poor.operation("export", () => 1), code("FORBIDDEN"));
  const operator = await attached(t, "spark", { token: await world("token", { service: "spark", permissions: ["*"] }) });
  assert.ok((await operator.operations("payments")).some(({ id }) => id === operation.id));
  open();
  await became;
  await assert.rejects(client.cancelOperation(operation.id), code("CONFLICT"));
});

test("a client is at no more operations than a session may be", async (t) => {
  const client = await attached(t, "workflow");
  const { open, opened } = gate();
  const all = await Promise.all(Array.from({ length: 32 }, () => begun(client, () => opened)));
  await assert.rejects(client.operation("one more", { timeoutMs: 200 }, () => 1), code("OVERLOADED"));
  open();
  await Promise.all(all.map(({ became }) => became));
  assert.equal(await client.operation("one more", () => 1), 1);
});
