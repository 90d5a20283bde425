// Moleculer over Redis: two nodes in this process, one that has the service s0, and one that calls its action `read`.
// The setup: redis (its address), post (what is answered).
import { randomUUID } from "node:crypto";
import moleculer from "moleculer";
import { drive, nowUs, serve } from "./loads.mjs";

await serve(async ({ redis, post }) => {
  // A run does not find the nodes of the one before it.
  const namespace = randomUUID();
  const join = (nodeID) =>
    new moleculer.ServiceBroker({
      namespace,
      nodeID,
      logger: false,
      transporter: redis,
      requestTimeout: 3000,
    });
  const owner = join("owner");
  owner.createService({ name: "s0", actions: { read: () => post } });
  const caller = join("caller");
  await Promise.all([owner.start(), caller.start()]);
  await caller.waitForServices("s0");

  return async (load) => {
    const latencies = [];
    let handled = 0;
    const startedAt = performance.now();
    const sent = await drive(load, async (number) => {
      const sentAt = nowUs();
      await caller.call("s0.read", { key: post.id });
      handled += 1;
      if (number % load.sampleEvery === 0) latencies.push(nowUs() - sentAt);
    });
    return { sent, handled: [handled], left: 0, seconds: (performance.now() - startedAt) / 1000, latencies };
  };
});
