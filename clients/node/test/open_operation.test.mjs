// One open operation on a link that the test answers for: what is sent when, and what becomes of what is not heard.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IPCError } from "@exprsn/ipc";
import { OpenOperation } from "../dist/esm/open_operation.js";
import { OpenOperations } from "../dist/esm/open_operations.js";
import { gate, Heard, until, within } from "./support/world.mjs";

const code = (expected) => (error) => error instanceof IPCError && error.code === expected;
const SLOW = { reportMs: 0, heartbeatMs: 600_000 };

/** An operation whose requests are answered by the test. */
function opened(pace = SLOW) {
  const [asked, errors] = [new Heard(), new Heard()];
  const link = {
    request: (_, argument, { signal } = {}) =>
      new Promise((resolve, reject) => {
        signal?.addEventListener("abort", () => reject(new IPCError("CANCELLED", "it was cancelled here")));
        asked.add({ ...argument(), ok: () => resolve({}), refuse: (name) => reject(new IPCError(name, "because")) });
      }),
  };
  return { asked, errors, operation: new OpenOperation(link, { id: "o1", name: "export", total: 1_000 }, errors.add, pace) };
}

test("of all that is said while a report is on its way the last is sent", async () => {
  const { asked, operation } = opened();
  const { open, opened: end } = gate();
  const ran = operation.run(() => end);
  for (let n = 1; n <= 300; n += 1) await operation.progress(n, `row ${n}`);
  const [first] = await asked.count(1);
  assert.equal(asked.items.length, 1);
  first.ok();
  const [, second] = await asked.count(2);
  assert.deepEqual([second.op, second.operation, second.done, second.text], ["progress", "o1", 300, "row 300"]);
  open("value");
  const [, , third] = await asked.count(3);
  assert.deepEqual([third.op, third.done, "error" in third], ["end", 300, false]);
  third.ok();
  assert.equal(await ran, "value");
});

test("reports are as far apart as they are to be", async () => {
  const { asked, operation } = opened({ reportMs: 600_000, heartbeatMs: 0 });
  const { open, opened: end } = gate();
  const ran = operation.run(() => end);
  (await asked.count(1))[0].ok();
  for (let n = 1; n <= 300; n += 1) await operation.progress(n);
  assert.equal(asked.items.length, 1);
  open();
  const [, last] = await asked.count(2);
  assert.deepEqual([last.op, last.done], ["end", 300]);
  last.ok();
  await ran;
});

test("an operation that says nothing new is said to be at work all the same", async () => {
  const { asked, operation } = opened({ reportMs: 0, heartbeatMs: 1 });
  const { open, opened: end } = gate();
  const ran = operation.run(() => end);
  for (let n = 1; n <= 3; n += 1) (await asked.count(n))[n - 1].ok();
  assert.deepEqual(asked.items.slice(0, 3).map(({ op, done }) => [op, done]), Array(3).fill(["progress", 0]));
  open();
  await until(() => asked.items.at(-1).op === "end", "it ends");
  asked.items.at(-1).ok();
  await within(ran);
});

test("a report that may be heard later is made again, one that is refused is the last and is told", async () => {
  const { asked, errors, operation } = opened({ reportMs: 0, heartbeatMs: 1 });
  const { open, opened: end } = gate();
  const ran = operation.run(() => end);
  (await asked.count(1))[0].refuse("TIMEOUT");
  (await asked.count(2))[1].refuse("FORBIDDEN");
  const [error] = await errors.count(1);
  assert.ok(code("FORBIDDEN")(error));
  assert.match(error.message, /how far the operation export is was not heard: because/);
  open(1);
  const [, , last] = await asked.count(3);
  assert.equal(last.op, "end");
  last.ok();
  assert.equal(await ran, 1);
});

test("an end that was heard before is an end, one that is not heard is told", async () => {
  for (const [refusal, told] of [["CONFLICT", 0], ["NOT_FOUND", 1], ["TIMEOUT", 1]]) {
    const { asked, errors, operation } = opened();
    const ran = operation.run(() => 5);
    (await asked.count(1))[0].refuse(refusal);
    assert.equal(await ran, 5);
    assert.equal(errors.items.length, told, refusal);
    if (told > 0) assert.match(errors.items[0].message, /the end of the operation o1 was not heard, so it will count as lost/);
  }
});

test("whoever is told by an answer that it is cancelled stops and says no more", async () => {
  for (const at of ["progress", "end"]) {
    const { asked, errors, operation } = opened();
    const { open, opened: end } = gate();
    const ran = operation.run(() => end);
    ran.catch(() => undefined);
    if (at === "progress") await operation.progress(1);
    else open();
    (await asked.count(1))[0].refuse("CANCELLED");
    await until(() => operation.signal.aborted, "it is aborted");
    open();
    await assert.rejects(ran, (error) => error === operation.signal.reason && code("CANCELLED")(error));
    assert.deepEqual([asked.items.length, errors.items.length], [1, 0]);
  }
});

test("a failure is not hidden by a cancellation that came with the end", async () => {
  const { asked, operation } = opened();
  const ran = operation.run(() => Promise.reject(new Error("torn")));
  const [end] = await asked.count(1);
  assert.equal(end.error, "Error: torn");
  end.refuse("CANCELLED");
  await assert.rejects(ran, /torn/);
});

test("progress that nobody waits for is no unhandled rejection when the operation is cancelled", async (t) => {
  const unhandled = new Heard();
  process.on("unhandledRejection", unhandled.add);
  t.after(() => process.off("unhandledRejection", unhandled.add));
  const { operation } = opened();
  const ran = operation.run(async ({ signal }) => {
    void operation.progress(1);
    operation.cancel();
    void operation.progress(2);
    await assert.rejects(operation.progress(3), (error) => error === signal.reason);
    // Rejections that nobody handles are told after a turn of the loop.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  });
  await assert.rejects(ran, code("CANCELLED"));
  void operation.progress(4);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  assert.deepEqual(unhandled.items, []);
});

test("what is sent on another connection is how far the operation is by then", async () => {
  const attempts = new Heard();
  const link = { request: (_, argument) => new Promise((resolve) => attempts.add({ argument, resolve })) };
  const operation = new OpenOperation(link, { id: "o1", name: "export", total: 10 }, assert.fail, SLOW);
  const { open, opened: end } = gate();
  const ran = operation.run(() => end);
  await operation.progress(1);
  const [report] = await attempts.count(1);
  assert.equal(report.argument().done, 1);
  await operation.progress(5);
  assert.equal(report.argument().done, 5);
  report.resolve({});
  (await attempts.count(2))[1].resolve({});
  open();
  (await attempts.count(3))[2].resolve({});
  await ran;
});

test("on a new connection it is said of each open operation how far it is", async () => {
  const asked = new Heard();
  const link = {
    request: async (_, argument) => {
      const message = argument();
      asked.add([message.op, message.operation]);
      return { operations: [{ id: message.name, name: message.name, total: message.total }] };
    },
  };
  const operations = new OpenOperations(assert.fail);
  const { open, opened: end } = gate();
  const ran = ["a", "b"].map((name) => operations.run(link, name, {}, () => end));
  await asked.count(2);
  // A turn of the loop, in which no heartbeat comes.
  await new Promise((resolve) => setImmediate(resolve));
  operations.connected();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(asked.items.slice(2), [["progress", "a"], ["progress", "b"]]);
  open();
  await Promise.all(ran);
  operations.connected();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(asked.items.slice(4), [["end", "a"], ["end", "b"]]);
});

test("an operation that is to stop before it has begun does nothing", async () => {
  const { asked, operation } = opened();
  operation.stop(new IPCError("UNAVAILABLE", "this client is closed"));
  const ran = operation.run(() => assert.fail("it was begun"));
  const [end] = await asked.count(1);
  assert.deepEqual([end.op, end.error], ["end", "the service has stopped it"]);
  end.ok();
  await assert.rejects(ran, code("UNAVAILABLE"));
});
