// Each fault of the page made for real, by the name that the page has for it; what the page's watch.mjs says of it goes
// out as JSON. Environment: DEVELOPMENT and PRODUCTION (URLs of two bridges), CERTS (a folder), TOKENS (JSON).
// Arguments: the names of the faults, all of this file if there are none.
import { readFileSync } from "node:fs";
import { createServer, request } from "node:https";
import { io } from "socket.io-client";
import tooOld from "socket.io-client-2";
import { watch } from "./watch.mjs";

const { DEVELOPMENT, PRODUCTION, CERTS, TOKENS } = process.env;
const tokens = JSON.parse(TOKENS);
const websocket = { transports: ["websocket"] };
const pem = (name) => readFileSync(`${CERTS}/${name}.pem`);
const lines = [];
const waiting = [];
const say = (line) => {
  if (line === "disconnect io client disconnect") return;
  lines.push(line);
  for (const wake of waiting.splice(0)) wake();
};
const said = async (count) => {
  while (lines.length < count) await new Promise((wake) => waiting.push(wake));
};

const open = (url, options) => {
  const socket = io(url, { forceNew: true, reconnection: false, ...options });
  watch(socket, say);
  return socket;
};
// Not let in: what is said first.
const refused = async (url, options) => {
  const socket = open(url, { ...websocket, ...options });
  await said(1);
  socket.disconnect();
};
// Let in, and wrong afterwards: do it, and wait for so many lines.
const wrong = async (act, { url = `${DEVELOPMENT}/ipc/herald`, count = 1, ...options } = {}) => {
  const socket = open(url, { ...websocket, auth: { subscribe: [] }, ...options });
  await new Promise((resolve) => socket.on("ipc:welcome", resolve));
  act(socket);
  await said(count);
  socket.disconnect();
};
const emitted = (message, options) => wrong((socket) => socket.emit("ipc:emit", message), options);

// A balancer that gives each request to the next bridge.
const front = (address, certificates, act) =>
  new Promise((resolve) => {
    let turn = 0;
    const server = createServer({ key: pem("localhost-key"), cert: certificates }, (asked, answer) => {
      const bridge = [DEVELOPMENT, PRODUCTION][turn++ % 2];
      const { method, headers } = asked;
      const passed = request(bridge + asked.url, { method, headers }, (theirs) => {
        answer.writeHead(theirs.statusCode, theirs.headers);
        theirs.pipe(answer);
      });
      passed.on("error", () => answer.destroy());
      asked.pipe(passed);
    });
    server.listen(0, address, async () => {
      await act(server.address().port);
      server.closeAllConnections();
      server.close(resolve);
    });
  });

const production = (token, options = {}) => refused(`${PRODUCTION}/ipc/herald`, { auth: { token }, ...options });

const faults = {
  "the bridge's CA is not trusted": () => refused(`${DEVELOPMENT}/ipc/herald`),
  "the same, behind a proxy that also sends the CA": () =>
    front("127.0.0.1", Buffer.concat([pem("localhost-cert"), pem("ca-cert")]), (port) =>
      refused(`https://localhost:${port}/ipc/herald`),
    ),
  "the certificate has no such name": () =>
    front("127.0.0.2", pem("localhost-cert"), (port) => refused(`https://127.0.0.2:${port}/ipc/herald`)),
  "nothing listens at the address": () => refused("https://localhost:1/ipc/herald"),
  "the address begins with `http:`": () => refused(`${DEVELOPMENT.replace("https", "http")}/ipc/herald`),
  "a wrong namespace": () => refused(`${DEVELOPMENT}/ipc/heralds`),
  "no token": () => production(undefined),
  "a token in the address": () => production(undefined, { query: { token: tokens.good } }),
  "a token of the old bridge": () => production(tokens.foreign),
  "an expired token": () => production(tokens.expired),
  "a revoked token": () => production(tokens.revoked),
  "the token of another service": () => production(tokens.other),
  "a token of a development machine": () => production(tokens.development),
  "socket.io-client 2, which speaks Engine.IO 3": async () => {
    const socket = tooOld(`${DEVELOPMENT}/ipc/herald`, { forceNew: true, reconnection: false });
    watch(socket, say);
    await said(1);
    socket.close();
  },
  "long-polling through a balancer without stickiness": () =>
    front("127.0.0.1", pem("localhost-cert"), async (port) => {
      const socket = open(`https://localhost:${port}/ipc/herald`, { transports: ["polling"] });
      await said(2);
      socket.disconnect();
    }),
  "an event that is emitted by its own name": () => wrong((socket) => socket.emit("post:created", { id: 1 })),
  "an event's name has no colon": () => emitted({ event: "created", payload: {} }),
  "a target that is no service": () => emitted({ event: "post:created", payload: {}, target: "mailer" }),
  "the token does not permit it": () =>
    emitted({ event: "post:created", payload: {} }, { url: `${PRODUCTION}/ipc/herald`, auth: { token: tokens.narrow, subscribe: [] } }),
  "a `Buffer` in the payload": () => emitted({ event: "file:stored", payload: Buffer.from("abc") }),
  "a payload of more than 256 KiB": () => emitted({ event: "file:stored", payload: "x".repeat(300_000) }),
  "a packet of more than 1 MiB": () =>
    emitted({ event: "file:stored", payload: "x".repeat(1_100_000) }, { count: 3 }),
  "too many messages": () =>
    wrong(
      (socket) => {
        for (let n = 0; n < 61; n++) socket.emit("ipc:emit", { event: "svr:said", target: "svr", options: { requireAck: false } });
      },
      { url: `${PRODUCTION}/ipc/svr`, auth: { token: tokens.svr, subscribe: [] }, count: 2 },
    ),
  "nobody serves the resource": () => wrong((socket) => socket.emit("ipc:read", { resource: "invoices", id: "7" })),
  "another service serves it already": async () => {
    const owner = open(`${DEVELOPMENT}/ipc/gallery`, { ...websocket, auth: { subscribe: [] } });
    await new Promise((served) => owner.emit("ipc:serve", { resources: [{ name: "albums", ops: ["read"] }] }, served));
    await wrong((socket) => socket.emit("ipc:serve", { resources: [{ name: "albums", ops: ["read"] }] }));
    owner.disconnect();
  },
};

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(faults);
const found = {};
for (const name of names) {
  lines.length = 0;
  await faults[name]();
  found[name] = [...lines];
}
process.stdout.write(JSON.stringify(found, null, 1));
process.exit(0);
