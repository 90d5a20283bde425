// A Socket.IO bridge with one namespace per service, in three designs, chosen by MODE:
//   seed     each event is published to Redis and comes back to the bridge, which routes it to the namespaces
//   adapter  the namespaces' own emit, with Socket.IO's Redis adapter between bridge processes
//   acks     each event goes to one socket of its target, in turn, and the emitter's callback is called when that has
//            called its own; nothing is kept, and Redis has no part in it
// Environment: MODE, PORT, REDIS_URL, SERVICES (short names divided by commas), TLS_CERT and TLS_KEY (files, optional).
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const { MODE, PORT, REDIS_URL, SERVICES, TLS_CERT, TLS_KEY } = process.env;
const services = SERVICES.split(",");
const publisher = createClient({ url: REDIS_URL });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const web = TLS_CERT
  ? createSecureServer({ cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) })
  : createServer();
const io = new Server(web, { transports: ["websocket"] });

function deliver(target, event, payload) {
  const receivers = target === "broadcast" ? services : [target];
  for (const service of receivers) io.of(`/ipc/${service}`).emit(event, payload);
}

let route = ({ target, event, payload }) => deliver(target, event, payload);
if (MODE === "seed") {
  await subscriber.pSubscribe("ipc:*", (message) => {
    const { target, event, payload } = JSON.parse(message);
    deliver(target, event, payload);
  });
  route = (message) => publisher.publish(`ipc:${message.target}`, JSON.stringify(message));
} else if (MODE === "acks") {
  let turn = 0;
  route = ({ target, event, payload }, done) => {
    const sockets = [...io.of(`/ipc/${target}`).sockets.values()];
    sockets[turn++ % sockets.length].emit(event, payload, done);
  };
} else {
  io.adapter(createAdapter(publisher, subscriber));
}

io.of(/^\/ipc\/\w+$/).on("connection", (socket) => {
  const source = socket.nsp.name.slice("/ipc/".length);
  socket.on("ipc:emit", ({ event, payload, target = "broadcast" }, done) =>
    route({ event, payload, target, source, timestamp: Date.now() }, done),
  );
  socket.on("ping:echo", (message) => socket.emit("pong:echo", message));
});

web.listen(Number(PORT), "127.0.0.1");
