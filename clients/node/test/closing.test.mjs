// Leaving: what waits is sent, what was taken is finished, and the process ends by itself.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { IPCError } from "@exprsn/ipc";
import { attached, gate, Heard, options, within } from "./support/world.mjs";

const code = (expected) => (error) => error instanceof IPCError && error.code === expected;

async function run(name, given) {
  const script = new URL(`./support/${name}`, import.meta.url).pathname;
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(given));
  let said = "";
  child.stdout.on("data", (chunk) => (said += chunk));
  const exit = await within(new Promise((resolve) => child.on("close", resolve)), () => `${name} ends by itself`);
  return { exit, said: said.trim() };
}

test("a process ends by itself when its client is closed, as an ES module", async () => {
  for (const transports of [["websocket"], ["polling"]]) {
    const { exit, said } = await run("leaving.mjs", { ...(await options("nexus")), transports });
    assert.deepEqual([exit, said], [0, "heard 1"]);
  }
});

test("the package can be required, too", async () => {
  const { exit, said } = await run("leaving.cjs", await options("nexus"));
  assert.deepEqual([exit, said], [0, "heard 1"]);
});

test("a process ends by itself when its bridge cannot be reached", async () => {
  const given = { ...(await options("nexus")), url: "https://localhost:9", connectTimeoutMs: 200 };
  const { exit, said } = await run("leaving.mjs", given);
  assert.deepEqual([exit, said], [3, "UNAVAILABLE"]);
});

test("what waits is sent before a client leaves", async (t) => {
  const client = await attached(t, "nexus");
  const other = await attached(t, "nexus");
  const heard = new Heard();
  await other.on("last:*", (payload) => heard.add(payload));
  const emitted = Promise.all(Array.from({ length: 500 }, (_, n) => client.emit("last:one", n, { target: "nexus" })));
  await client.close();
  assert.equal((await emitted).length, 500);
  await heard.count(500);
});

test("a group's handler is finished before a client leaves, and its event does not come again", async (t) => {
  const client = await attached(t, "nexus");
  const [began, again] = [new Heard(), new Heard()];
  const { open, opened } = gate();
  await client.on("finish:*", { group: "finish" }, async (payload) => {
    began.add(payload);
    await opened;
  });
  await client.emit("finish:one", 1, { target: "nexus" });
  await began.count(1);
  const closed = client.close();
  open();
  await closed;
  const next = await attached(t, "nexus");
  await next.on("finish:*", { group: "finish" }, (payload) => again.add(payload));
  await next.emit("finish:one", 2, { target: "nexus" });
  assert.deepEqual(await again.count(1), [2]);
});

test("a handler that does not end holds nobody up", async (t) => {
  const client = await attached(t, "nexus");
  const began = new Heard();
  const never = new Promise(() => undefined);
  await client.on("stuck:*", { group: "stuck" }, async (payload) => {
    began.add(payload);
    await never;
  });
  await client.emit("stuck:one", 1, { target: "nexus" });
  await began.count(1);
  await within(client.close({ timeoutMs: 50 }));
  assert.equal(await client.closed, undefined);
});

test("a closed client says so", async (t) => {
  const client = await attached(t, "nexus");
  await Promise.all([client.close(), client.close()]);
  assert.equal(client.isConnected, false);
  for (const asked of [client.emit("last:one", 1), client.read("x", { key: 1 }), client.on("a:b", () => 1), client.jsonlex(1)]) {
    await assert.rejects(asked, (error) => code("UNAVAILABLE")(error) && !error.retryable && /closed/.test(error.message));
  }
});
