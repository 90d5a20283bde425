// What a service says of its events: taken by the bridge, told again on each connection, or refused with a reason.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IPCError } from "@exprsn/ipc";
import { Declarations, declared } from "../dist/esm/declarations.js";
import { road } from "./support/proxy.mjs";
import { attached, Heard, until, world } from "./support/world.mjs";

const code = (expected) => (error) => error instanceof IPCError && error.code === expected;
const schema = { type: "object", required: ["id"], properties: { id: { type: "string" } } };

async function known(client, event) {
  const { services } = await client.services(client.service);
  return services[0]?.declares.find((each) => each.event === event);
}

test("an event is declared, compared afterwards, and declared anew on the next connection", async (t) => {
  const way = await road(t);
  const client = await attached(t, "vault", { url: way.url });
  await client.declareEvent("key:made", { schema, description: "A key.", examples: [{ id: "7" }] });
  const first = await known(client, "key:made");
  assert.deepEqual([first.isChecked, first.drift.drifted], [true, 0]);
  // It is not refused for it.
  await client.emit("key:made", { id: 7 }, { target: "vault" });
  await until(async () => (await known(client, "key:made")).drift.drifted === 1, "it was compared");
  assert.match((await known(client, "key:made")).drift.lastPointer, /id/);
  way.drop();
  await until(async () => (await known(client, "key:made")).declaredMs > first.declaredMs, "it is declared anew");
});

test("what is no declaration is refused, and may be said again rightly", async (t) => {
  const client = await attached(t, "vault");
  const refused = [
    ["nonsense", { schema }, "INVALID_EVENT"],
    ["key:lost", { schema: undefined }, "INVALID_DATA"],
    ["key:lost", { schema: [] }, "INVALID_DATA"],
    ["key:lost", { schema: null }, "INVALID_DATA"],
    ["key:lost", { schema: { type: "nonsense" } }, "INVALID_DATA"],
    ["key:lost", { schema: { $ref: "https://example.com/schema" } }, "INVALID_DATA"],
    ["key:lost", { schema, examples: [{ id: 7 }] }, "INVALID_DATA"],
    ["key:lost", { schema, description: "x".repeat(1_001) }, "INVALID_MESSAGE"],
    ["key:lost", { schema, examples: Array.from({ length: 6 }, () => ({ id: "7" })) }, "INVALID_MESSAGE"],
    ["key:lost", { schema, examples: [{ id: "x".repeat(16 * 1024) }] }, "DATA_TOO_LARGE"],
  ];
  for (const [event, declaration, expected] of refused) {
    await assert.rejects(client.declareEvent(event, declaration), code(expected), `${event} ${JSON.stringify(declaration).slice(0, 80)}`);
  }
  await client.declareEvent("key:lost", { schema });
  await assert.rejects(client.declareEvent("key:lost", { schema }), code("CONFLICT"));
  const token = await world("token", { service: "vault", permissions: ["emit:other:*"] });
  const poor = await attached(t, "vault", { token });
  await assert.rejects(poor.declareEvent("key:lost", { schema }), code("FORBIDDEN"));
});

test("a client declares so many events, and says all of them in frames that the bridge takes", async () => {
  const declarations = new Declarations();
  const large = "x".repeat(15 * 1024);
  for (let n = 0; n < 64; n += 1) declarations.add(declared(`many:n${n}`, { schema: { title: large } }));
  assert.throws(() => declarations.add(declared("many:more", { schema })), code("INVALID_MESSAGE"));
  const frames = new Heard();
  const session = { welcome: { limits: { frameBytes: 1024 * 1024 } }, ask: async (_, message) => frames.add(message) };
  await declarations.join(session, assert.fail);
  assert.equal(frames.items.flatMap(({ events }) => events).length, 64);
  assert.ok(frames.items.length > 1);
  assert.ok(frames.items.every((message) => JSON.stringify(message).length < 1024 * 1024));
});

test("a declaration that is refused on a later connection keeps nobody away, one that may come later does", async () => {
  const declarations = new Declarations();
  declarations.add(declared("one:event", { schema }));
  const errors = new Heard();
  const session = (error) => ({ welcome: { limits: { frameBytes: 1024 } }, ask: () => Promise.reject(error) });
  await declarations.join(session(new IPCError("FORBIDDEN", "not any more")), errors.add);
  assert.deepEqual(errors.items.map((error) => error.code), ["FORBIDDEN"]);
  await assert.rejects(declarations.join(session(new IPCError("UNAVAILABLE", "Redis is away")), errors.add), code("UNAVAILABLE"));
});
