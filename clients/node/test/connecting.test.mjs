// Who is let in, and what somebody is told who is not.
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { inspect } from "node:util";
import { connect, IPCError } from "@exprsn/ipc";
import { attached, BRIDGE_URL, CA, options, within } from "./support/world.mjs";

async function refused(given) {
  const error = await within(connect({ connectTimeoutMs: 3_000, ...given }).then(() => assert.fail("it was let in"), (found) => found));
  assert.ok(error instanceof IPCError, inspect(error));
  return error;
}

test("a client is welcomed, by either name and either transport", async (t) => {
  for (const [service, transports] of [["herald", ["websocket"]], ["exprsn-herald", ["polling"]], ["herald", ["polling", "websocket"]]]) {
    const client = await attached(t, service, { transports, version: "1.2.3" });
    assert.equal(client.service, "exprsn-herald");
    assert.equal(client.isConnected, true);
    assert.equal(await client.jsonlex({ __jsonlex: true, expr: { $add: [1, 2] } }), 3);
  }
});

test("a wrong token is refused with its code", async () => {
  const error = await refused(await options("herald", { token: "a.b.c" }));
  assert.equal(error.code, "TOKEN_INVALID");
  assert.equal(error.retryable, false);
});

test("another service's token and no token are refused", async () => {
  const { token } = await options("spark");
  assert.equal((await refused(await options("herald", { token }))).code, "TOKEN_WRONG_SERVICE");
  assert.equal((await refused({ url: BRIDGE_URL, service: "herald", ca: CA })).code, "UNAUTHENTICATED");
});

test("a service that the catalogue does not have is refused", async () => {
  const { token } = await options("herald");
  const error = await refused(await options("herald", { service: "nobody", token }));
  assert.equal(error.code, "UNKNOWN_SERVICE");
  assert.match(error.message, /nobody/);
});

test("a bridge that cannot be reached is given up in time", async () => {
  const error = await refused(await options("herald", { url: "https://localhost:9", connectTimeoutMs: 400 }));
  assert.equal(error.code, "UNAVAILABLE");
  assert.equal(error.retryable, true);
  assert.match(error.message, /ECONNREFUSED|cannot be reached/);
});

test("a bridge that says nothing is given up in time", async (t) => {
  const sockets = new Set();
  const silent = createServer((socket) => sockets.add(socket));
  await new Promise((resolve) => silent.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const error = await refused(await options("herald", { url: `https://127.0.0.1:${silent.address().port}`, connectTimeoutMs: 400 }));
  assert.equal(error.code, "UNAVAILABLE");
});

test("a bridge of another CA is not trusted", async () => {
  const { ca: _, ...given } = await options("herald");
  const error = await refused({ ...given, connectTimeoutMs: 400 });
  assert.equal(error.code, "UNAVAILABLE");
  assert.match(error.message, /certificate/);
});

test("wrong options are refused at once", async () => {
  const certificate = { cert: CA, key: CA };
  for (const wrong of [{ url: "herald" }, { url: "ftp://localhost" }, { url: `${BRIDGE_URL}/?token=x` }, { certificate }]) {
    assert.equal((await refused(await options("herald", wrong))).code, "INVALID_MESSAGE", inspect(wrong));
  }
  assert.equal((await refused(await options("herald", { ca: "/nowhere/ca.pem" }))).code, "INVALID_MESSAGE");
});

test("the token is nowhere to be seen", async (t) => {
  const given = await options("herald");
  const client = await attached(t, "herald", given);
  assert.ok(!inspect(client, { depth: 20, showHidden: true }).includes(given.token));
  assert.ok(!JSON.stringify(client).includes(given.token));
});
