// The eight checks of the original system's own test, by a client that knows nothing of this bridge but its address.
// Arguments: the bridge's URL, the namespace, the transport, and which client ("newest" or "oldest").
import assert from "node:assert/strict";
import { io as newest } from "socket.io-client";
import { io as oldest } from "socket.io-client-oldest";

const [url, namespace, transport, client] = process.argv.slice(2);
const socket = { newest, oldest }[client](url + namespace, { transports: [transport] });
const once = (event) => new Promise((resolve) => socket.once(event, resolve));
const ask = (event, message) => new Promise((resolve) => socket.emit(event, message, resolve));
const content = `eight checks ${Date.now()} ${Math.random()}`;
let post;

const checks = {
  "Bridge Health Check": async () => {
    const health = await (await fetch(`${url}/health`)).json();
    assert.equal(health.status, "healthy");
  },
  "Socket.IO Connection": async () => {
    socket.on("connect_error", (error) => assert.fail(error.message));
    if (!socket.connected) await once("connect");
  },
  "IPC Statistics Endpoint": async () => {
    const stats = await (await fetch(`${url}/api/ipc/stats`)).json();
    assert.equal(stats.success, true);
    assert.ok(stats.data.activeConnections >= 1);
  },
  "Event Emit": async () => {
    const acknowledged = once("ipc:ack");
    socket.emit("ipc:emit", { event: "check:said", payload: { content }, target: "broadcast", options: {} });
    assert.deepEqual(Object.entries(await acknowledged).slice(0, 2), [["event", "check:said"], ["target", "broadcast"]]);
  },
  "Event Receive": async () => {
    const heard = new Promise((resolve) => socket.on("check:heard", (payload) => payload.content === content && resolve(payload)));
    socket.emit("ipc:emit", { event: "check:heard", payload: { content, list: [1, null, "ünï"] } });
    assert.deepEqual(await heard, { content, list: [1, null, "ünï"] });
  },
  "CRUD Create": async () => {
    const { success, data, error } = await ask("ipc:create", { resource: "posts", data: { content, visibility: "private" }, options: {} });
    assert.ok(success, error);
    assert.equal(data.content, content);
    post = data;
  },
  "CRUD Read": async () => {
    const { success, data } = await ask("ipc:read", { resource: "posts", query: { userId: post.userId } });
    assert.ok(success);
    assert.ok(data.results.some(({ id }) => id === post.id));
    assert.deepEqual((await ask("ipc:read", { resource: "posts", id: post.id })).data, post);
    const updated = await ask("ipc:update", { resource: "posts", query: post.id, data: { content: "changed" } });
    assert.equal(updated.data.content, "changed");
    assert.equal((await ask("ipc:delete", { resource: "posts", id: post.id })).success, true);
    assert.equal((await ask("ipc:read", { resource: "posts", id: post.id })).error, "NOT_FOUND");
  },
  "JSONLex Execute": async () => {
    const expression = { __jsonlex: true, expr: { fullName: { $concat: [{ $var: "firstName" }, " ", { $var: "lastName" }] }, isAdult: { $gte: [{ $var: "age" }, 18] } } };
    const { success, result } = await ask("ipc:jsonlex", { expression, context: { firstName: "John", lastName: "Doe", age: 25 } });
    assert.ok(success);
    assert.deepEqual(result, { fullName: "John Doe", isAdult: true });
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log(`PASS ${name}`);
}
socket.disconnect();
