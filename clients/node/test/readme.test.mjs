// The code of the README: what is TypeScript passes the compiler as strictly as the package, and all of it runs.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { attached, BRIDGE_URL, CA, CERTS_DIR, Heard, until, within, world } from "./support/world.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = `${root}readme`;
const fence = /^```(ts|js)\n(.*?)^```$/gms;
const blocks = [...readFileSync(`${root}README.md`, "utf8").matchAll(fence)].map(([, language, text]) => ({
  language,
  isProgram: text.startsWith("import "),
  text: text.replaceAll("https://bridge:3010", BRIDGE_URL).replaceAll("/etc/exprsn/certs", CERTS_DIR),
}));

const snippets = blocks.filter(({ isProgram }) => !isProgram);

// Each snippet has a client of its own, and says that it has come to its end.
const around = (text, number) => `async function snippet${number}(): Promise<void> {
const client = await connect(JSON.parse(process.argv[2] ?? "{}"));
${text}
await client.close();
console.log("snippet ${number}");
}
await snippet${number}();
`;
const USED = 'import { connect, IPCError, Reject, RetryLater } from "@exprsn/ipc";\n';

/** Lay the blocks into a folder, compile them, and return the programs, and one of all snippets. */
function compiled() {
  mkdirSync(folder, { recursive: true });
  const extend = { extends: "../tsconfig.json", compilerOptions: { rootDir: ".", outDir: "dist", declaration: false, noUnusedLocals: false }, include: ["."] };
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(extend));
  const programs = blocks.filter(({ isProgram }) => isProgram).map(({ language, text }, number) => {
    writeFileSync(`${folder}/program${number}.${language === "ts" ? "ts" : "mjs"}`, text);
    return language === "ts" ? `${folder}/dist/program${number}.js` : `${folder}/program${number}.mjs`;
  });
  writeFileSync(`${folder}/snippets.ts`, USED + snippets.map(({ text }, number) => around(text, number)).join(""));
  execFileSync(`${root}node_modules/.bin/tsc`, ["-p", folder], { stdio: ["ignore", "inherit", "inherit"] });
  return programs;
}

function start(file, ...args) {
  const environment = { ...process.env, NODE_EXTRA_CA_CERTS: CA };
  const child = spawn(process.execPath, [file, ...args], { env: environment, stdio: ["ignore", "pipe", "inherit"] });
  const said = new Heard();
  child.stdout.setEncoding("utf8").on("data", (text) => text.trim().split("\n").forEach(said.add));
  const ended = new Promise((resolve) => child.on("close", resolve));
  return { child, said, ended };
}

/** Have a program of herald announce a post, and return the program, still running. */
async function announces(t, file, id) {
  const timeline = await attached(t, "timeline");
  const sent = new Heard();
  await timeline.on("notification:sent", (payload) => sent.add(payload));
  process.env.IPC_TOKEN = await world("token", { service: "herald" });
  const { child, said, ended } = start(file);
  t.after(() => child.kill("SIGKILL"));
  await until(() => said.items.includes("herald is ready"), "herald is ready");
  await timeline.emit("post:created", { id, userId: `by-${id}`, content: "hello" }, { target: "herald" });
  // The group was made by a snippet, so what was emitted since then comes, too.
  await until(() => sent.items.some(({ postId }) => postId === id), `${id} is announced`);
  return { timeline, child, ended };
}

/** Ask again while the answer is that it may be there later. */
async function patiently(ask) {
  let found;
  await until(async () => {
    found = await ask().then((value) => ({ value }), (error) => (error.retryable ? undefined : Promise.reject(error)));
    return found !== undefined;
  }, "an answer");
  return found.value;
}

const programs = compiled();

test("the README has the programs that are run here", () => {
  assert.deepEqual(blocks.filter(({ isProgram }) => isProgram).map(({ language }) => language), ["ts", "js", "ts"]);
  assert.ok(snippets.length >= 11);
});

test("each snippet of the README runs to its end", async () => {
  const token = await world("token", { service: "herald" });
  process.env.STATE_TOKEN = await world("token", { service: "herald", stateful: true });
  const { said, ended } = start(`${folder}/dist/snippets.js`, JSON.stringify({ url: BRIDGE_URL, service: "herald", ca: CA, token }));
  assert.equal(await within(ended), 0);
  for (let number = 0; number < snippets.length; number += 1) assert.ok(said.items.includes(`snippet ${number}`), `${number}`);
  for (const line of ["7 NOT_FOUND 3", "3 export done", "it was CANCELLED", "{ page: 1 }"]) {
    assert.ok(said.items.includes(line), said.items.join("\n"));
  }
});

test("the first program connects and ends", async () => {
  const { said, ended } = start(programs[0]);
  assert.equal(await within(ended), 0);
  assert.deepEqual(said.items, ["exprsn-herald is connected"]);
});

test("herald works before the migration", async (t) => {
  const { child, ended } = await announces(t, programs[1], "old");
  child.kill();
  await ended;
});

test("herald works after the migration, answers, and stops in order", async (t) => {
  const { timeline, child, ended } = await announces(t, programs[2], "new");
  // A session whose token could not be renewed in its few seconds is made anew, and has the resource again.
  assert.deepEqual(await patiently(() => timeline.read("inboxes", { key: "by-new" })), ["hello"]);
  child.kill("SIGTERM");
  assert.equal(await within(ended), 0);
});
