// Says of each test, in a line of JSON, what became of it.
import { basename } from "node:path";
import { inspect } from "node:util";

export default async function* report(source) {
  for await (const { type, data } of source) {
    if (type === "test:stderr" || type === "test:stdout") yield data.message;
    if ((type !== "test:pass" && type !== "test:fail") || data.nesting !== 0 || data.details?.type === "suite") continue;
    // The runner counts a file that ends badly as a test of that name.
    if (/\.[cm]js$/.test(data.name) && type === "test:pass") continue;
    const error = type === "test:fail" ? inspect(data.details.error?.cause ?? data.details.error, { depth: 4 }) : "";
    yield `${JSON.stringify({ file: basename(data.file ?? data.name), name: data.name, passed: type === "test:pass", error, durationMs: Math.round(data.details.duration_ms) })}\n`;
  }
}
