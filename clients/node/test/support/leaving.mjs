// A program that connects, works, closes its client, and has nothing else that would keep it alive.
import { connect } from "@exprsn/ipc";

let text = "";
for await (const chunk of process.stdin) text += chunk;
try {
  const client = await connect(JSON.parse(text));
  const heard = new Promise((resolve) => void client.on("leaving:*", resolve).then(() => client.emit("leaving:one", 1, { target: "nexus" })));
  await client.on("leaving:never", { group: "leaving" }, () => undefined);
  await client.serve("leaving", { read: () => 1 });
  console.log(`heard ${await heard}`);
  await client.close();
} catch (error) {
  console.log(error.code);
  process.exitCode = 3;
}
