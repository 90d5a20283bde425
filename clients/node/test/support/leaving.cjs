// The same in CommonJS.
const { connect, IPCError } = require("@exprsn/ipc");

let text = "";
process.stdin.on("data", (chunk) => (text += chunk));
process.stdin.on("end", async () => {
  const client = await connect(JSON.parse(text));
  await client.emit("nonsense", 1).catch((error) => console.assert(error instanceof IPCError));
  await client.on("leaving:*", async (payload) => {
    console.log(`heard ${payload}`);
    setImmediate(() => client.close());
  });
  await client.emit("leaving:one", 1, { target: "nexus" });
});
