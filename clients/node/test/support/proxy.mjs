// A road to the bridge that can be cut, in the middle of whatever is on it.
import { connect, createServer } from "node:net";
import { BRIDGE_URL } from "./world.mjs";

/** Open a road that is taken down when the test has ended. */
export async function road(test) {
  const pairs = new Set();
  const port = Number(new URL(BRIDGE_URL).port);
  let isOpen = true;
  const server = createServer((near) => {
    if (!isOpen) return near.destroy();
    const far = connect(port, "localhost");
    const pair = [near, far];
    pairs.add(pair);
    const cut = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) socket.on("error", cut).on("close", cut);
    near.pipe(far).pipe(near);
    return undefined;
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const drop = () => {
    for (const sockets of pairs) for (const socket of sockets) socket.destroy();
  };
  test.after(() => {
    drop();
    server.close();
  });
  return {
    url: `https://localhost:${server.address().port}`,
    /** Cut what is on it. */
    drop,
    /** Let nothing of what the bridge says from now on through to whoever is on it. */
    mute: () => {
      for (const [near, far] of pairs) far.unpipe(near).resume();
    },
    /** Cut it, and let nobody on it. */
    close: () => {
      isOpen = false;
      drop();
    },
    open: () => (isOpen = true),
  };
}
