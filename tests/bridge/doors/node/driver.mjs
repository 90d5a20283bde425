// Sockets of the real socket.io-client that do what they are told: a JSON command a line in, what became of it and what
// the sockets hear a line out.
import { createInterface } from "node:readline";
import { io as newest } from "socket.io-client";
import { io as oldest } from "socket.io-client-oldest";

const clients = { newest, oldest };
const sockets = {};
const kept = [];
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

const commands = {
  connect: ({ socket, url, namespace, options, client = "newest" }) =>
    new Promise((resolve) => {
      const made = clients[client](url + namespace, { forceNew: true, reconnectionDelay: 50, ...options });
      sockets[socket] = made;
      made.onAny((event, ...args) =>
        say({ socket, event, args: args.filter((arg) => typeof arg !== "function"), answerable: typeof args.at(-1) === "function" }),
      );
      made.on("connect", () => {
        say({ socket, event: "connect", args: [made.id] });
        resolve({ connected: true, transport: made.io.engine.transport.name });
      });
      made.on("connect_error", (error) => {
        say({ socket, event: "connect_error", args: [error.message, error.data ?? null] });
        resolve({ connected: false, message: error.message, data: error.data ?? null });
      });
      made.on("disconnect", (reason, details) =>
        say({ socket, event: "disconnect", args: [reason, details?.context?.code ?? null] }),
      );
    }),
  upgraded: ({ socket }) =>
    new Promise((resolve) => {
      const { engine } = sockets[socket].io;
      if (engine.transport.name === "websocket") resolve("websocket");
      else engine.once("upgrade", (transport) => resolve(transport.name));
    }),
  ask: ({ socket, event, args }) => new Promise((resolve) => sockets[socket].emit(event, ...args, resolve)),
  tell: ({ socket, event, args }) => void sockets[socket].emit(event, ...args),
  binary: ({ socket, event }) =>
    new Promise((resolve) =>
      sockets[socket].emit(event, { event: "post:created", payload: { image: Buffer.from("abc"), more: Buffer.alloc(9) } }, resolve),
    ),
  // Answer an event's listener: with arguments, or with what the call said.
  answer: ({ socket, event, args, echo }) =>
    void sockets[socket].on(event, (payload, ...rest) => {
      const done = rest.at(-1);
      if (typeof done === "function") done(...(echo ? [{ success: true, data: payload }] : args));
    }),
  // Answer an event's listener when it is said to, whatever has become of the connection.
  keep: ({ socket, event }) => void sockets[socket].on(event, (...args) => kept.push(args.at(-1))),
  answerKept: () => void kept.shift()(),
  // Read nothing from the network for a while.
  pause: ({ socket }) => void sockets[socket].io.engine.transport.ws._socket.pause(),
  resume: ({ socket }) => void sockets[socket].io.engine.transport.ws._socket.resume(),
  drop: ({ socket }) => void sockets[socket].io.engine.transport.ws.terminate(),
  disconnect: ({ socket }) => void sockets[socket].disconnect(),
  reauth: ({ socket, auth }) => void (sockets[socket].auth = auth),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, do: name, ...rest } = JSON.parse(line);
  Promise.resolve(commands[name](rest)).then(
    (result) => say({ id, result: result ?? null }),
    (error) => say({ id, error: String(error) }),
  );
}
process.exit(0);
