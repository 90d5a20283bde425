// Tokens for certificates, and their renewal while a session is open.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import https from "node:https";
import { syncBuiltinESMExports } from "node:module";
import { test } from "node:test";
import { connect, IPCError } from "@exprsn/ipc";
import { attached, BRIDGE_URL, CA, CERTS_DIR, Heard, world, within } from "./support/world.mjs";

const certificateOf = (service) => ({ cert: `${CERTS_DIR}/exprsn-${service}-cert.pem`, key: `${CERTS_DIR}/exprsn-${service}-key.pem`, ca: CA });

/** Count the requests for tokens, and fail those that it is told to. */
function watch(t) {
  const asked = new Heard();
  const original = https.request;
  const watched = { asked, failing: 0 };
  https.request = (url, ...rest) => {
    // WebSockets begin as requests, too.
    if (!String(url).endsWith("/api/ipc/tokens")) return original(url, ...rest);
    asked.add(String(url));
    if (watched.failing > 0) {
      watched.failing -= 1;
      return original("https://localhost:9/", ...rest);
    }
    return original(url, ...rest);
  };
  syncBuiltinESMExports();
  t.after(() => {
    https.request = original;
    syncBuiltinESMExports();
  });
  return watched;
}

async function provesItself(t, service) {
  const client = await connect({ url: BRIDGE_URL, service, certificate: certificateOf(service) });
  t.after(() => client.close());
  assert.equal((await client.emit("proof:given", { by: service })).duplicate, false);
}

test("a certificate with an RSA key gets a token", (t) => provesItself(t, "herald"));

test("a certificate with an EC key gets a token", (t) => provesItself(t, "spark"));

test("certificates may be given as text", async (t) => {
  const { cert, key } = certificateOf("herald");
  const certificate = { cert: readFileSync(cert, "utf8"), key: readFileSync(key) };
  const client = await connect({ url: BRIDGE_URL, service: "herald", certificate, ca: readFileSync(CA) });
  t.after(() => client.close());
  assert.equal(client.isConnected, true);
});

test("a token is renewed on the open session before it is over", async (t) => {
  const { asked } = watch(t);
  const errors = new Heard();
  const ready = new Heard();
  const client = await connect({ url: BRIDGE_URL, service: "herald", certificate: certificateOf("herald") });
  t.after(() => client.close());
  client.hook("error", errors.add);
  client.hook("ready", ready.add);
  client.hook("lost", ready.add);
  // Each holds for four seconds and is renewed after two thirds of that: the third comes when the first is over.
  await asked.count(3);
  await client.emit("proof:given", null);
  assert.deepEqual(errors.items, []);
  assert.deepEqual(ready.items, []);
  assert.ok(asked.items.every((url) => url.startsWith(BRIDGE_URL)));
});

test("a renewal that fails is tried again", async (t) => {
  const watched = watch(t);
  const errors = new Heard();
  const client = await connect({ url: BRIDGE_URL, service: "spark", certificate: certificateOf("spark") });
  t.after(() => client.close());
  client.hook("error", errors.add);
  watched.failing = 2;
  await watched.asked.count(4);
  assert.equal(errors.items.length, 2);
  assert.ok(errors.items.every((error) => error instanceof IPCError && error.code === "UNAVAILABLE"));
  await client.emit("proof:given", null);
});

test("a function gives tokens for each connection and renewal", async (t) => {
  const given = new Heard();
  const token = async () => {
    const made = await world("token", { service: "herald", ttl_s: 3 });
    given.add(made);
    return made;
  };
  const client = await attached(t, "herald", { token });
  await given.count(3);
  await client.emit("proof:given", null);
  assert.equal(new Set(given.items).size, given.items.length);
});

test("a token that nobody renews ends the session for good, with its reason", async (t) => {
  const notices = new Heard();
  const client = await attached(t, "herald", { token: await world("token", { service: "herald", ttl_s: 2 }) });
  client.hook("notice", notices.add);
  const error = await within(client.closed);
  assert.equal(error?.code, "UNAUTHENTICATED");
  assert.equal(error.retryable, false);
  await assert.rejects(client.emit("proof:given", null), (found) => found.code === "UNAUTHENTICATED");
  assert.deepEqual(notices.items.map(({ notice }) => notice), ["token_expiring"]);
});

test("a key of another kind, another's key, and no key are refused", async () => {
  const { cert } = certificateOf("herald");
  const ed25519 = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
  const given = { url: BRIDGE_URL, service: "herald", ca: CA };
  await assert.rejects(connect({ ...given, certificate: { cert, key: ed25519 } }), /neither an RSA key nor one of P-256/);
  await assert.rejects(connect({ ...given, certificate: { cert, key: "/nowhere/key.pem" } }), /cannot be read/);
  await assert.rejects(connect({ ...given, certificate: { cert: "-----BEGIN nothing", key: certificateOf("herald").key } }), /cannot be read/);
});

test("a certificate of another service gets no token", async () => {
  const given = { url: BRIDGE_URL, service: "nexus", certificate: certificateOf("herald") };
  await assert.rejects(connect(given), (error) => error instanceof IPCError && error.code === "TOKEN_INVALID");
});
