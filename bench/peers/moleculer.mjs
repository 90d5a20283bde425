// Moleculer over Redis: as many nodes as there are services, each with one, and one more that calls `s0.read`, all in
// this process. The setup: redis (its address), services (how many), post (what is answered).
import { randomUUID } from "node:crypto";
import moleculer from "moleculer";
import { drive, nowUs, serve } from "./loads.mjs";

await serve(async ({ redis, services, post }) => {
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
  const owners = Array.from({ length: services }, (_, number) => join(`owner${number}`));
  owners.forEach((owner, number) => owner.createService({ name: `s${number}`, actions: { read: () => post } }));
  const caller = join("caller");
  await Promise.all([...owners, caller].map((node) => node.start()));
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
