// NATS JetStream as a service in Node uses it: its official client, one connection that publishes and waits for the
// ack of each message, and a durable pull consumer with a member on each of some more, which acknowledge each message.
// The setup: port, stream and consumer (configurations), members, credit (messages that a member holds), post.
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { arrived, drive, nowUs, serve } from "./loads.mjs";

const SETTLE_MS = 5000;

await serve(async ({ port, stream, consumer, members, credit, post }) => {
  const join = () => connect({ servers: `127.0.0.1:${port}` });
  const emitter = await join();
  const manager = await jetstreamManager(emitter);
  await manager.streams.delete(stream.name).catch(() => {});
  await manager.streams.add(stream);
  await manager.consumers.add(stream.name, consumer);

  const handled = Array(members).fill(0);
  const total = () => handled.reduce((sum, each) => sum + each, 0);
  let latencies = [];
  let sampleEvery = 1;
  for (let member = 0; member < members; member += 1) {
    const source = await jetstream(await join()).consumers.get(stream.name, consumer.durable_name);
    const callback = (message) => {
      const { sentAt } = message.json();
      handled[member] += 1;
      if (handled[member] % sampleEvery === 0) latencies.push(nowUs() - sentAt);
      message.ack();
    };
    await source.consume({ max_messages: credit, callback });
  }

  async function unacknowledged() {
    const { num_ack_pending, num_pending } = await manager.consumers.info(stream.name, consumer.durable_name);
    return num_ack_pending + num_pending;
  }

  const store = jetstream(emitter);
  return async (load) => {
    handled.fill(0);
    [latencies, sampleEvery] = [[], load.sampleEvery];
    const startedAt = performance.now();
    const sent = await drive(load, (number) => {
      const sentAt = nowUs();
      const options = { msgID: `${sentAt}-${number}` };
      return store.publish(stream.subjects[0], JSON.stringify({ ...post, sentAt }), options);
    });
    await arrived(sent, total);
    const seconds = (performance.now() - startedAt) / 1000;
    const giveUpAt = performance.now() + SETTLE_MS;
    let left = await unacknowledged();
    while (left && performance.now() < giveUpAt) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      left = await unacknowledged();
    }
    return { sent, handled: [...handled], left, seconds, latencies };
  };
});
