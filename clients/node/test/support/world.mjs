// What is around the tests: a bridge, tokens for it, workers in Python; and waiting for what is to happen.
import { connect } from "@exprsn/ipc";

export const { BRIDGE_URL, CERTS_DIR, WORLD_URL, VECTORS_DIR } = process.env;
export const CA = `${CERTS_DIR}/ca-cert.pem`;
export const DEADLINE_MS = 20_000;

/** Ask the world for something. */
export async function world(question, said = {}) {
  const answer = await fetch(`${WORLD_URL}/${question}`, { method: "POST", body: JSON.stringify(said) });
  const { answer: found, error } = await answer.json();
  if (error !== undefined) throw new Error(error);
  return found;
}

/** Return what lets a service in. */
export async function options(service, more = {}) {
  return { url: BRIDGE_URL, service, token: await world("token", { service }), ca: CA, ...more };
}

/** Return a client of a service that is closed when the test has ended. */
export async function attached(test, service, more = {}) {
  const client = await connect(await options(service, more));
  test.after(() => client.close({ timeoutMs: 1_000 }));
  return client;
}

/** What is collected, and waiting until there is enough of it. */
export class Heard {
  items = [];
  #waiting = [];

  add = (item) => {
    this.items.push(item);
    this.#waiting = this.#waiting.filter(({ count, resolve }) => !(this.items.length >= count && (resolve(), true)));
  };

  /** Wait for so many, and return them. */
  async count(count) {
    if (this.items.length < count) {
      await within(new Promise((resolve) => this.#waiting.push({ count, resolve })), () => `${this.items.length} of ${count}: ${JSON.stringify(this.items).slice(0, 500)}`);
    }
    return this.items;
  }
}

/** Wait for a promise, but not for ever. */
export async function within(promise, what = () => "it") {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not happen in time: ${what()}`)), DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A promise, and what resolves it. */
export function gate() {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  return { open, opened };
}

/** Ask again until something is so. */
export async function until(isSo, what) {
  const giveUpAt = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) throw new Error(`did not become so: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
