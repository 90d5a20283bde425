/** One POST of JSON over TLS that trusts whom it is told to, with bounds on time and size. */
import { request as plainRequest } from "node:http";
import { request } from "node:https";
import { IPCError } from "./errors.js";
import type { TlsFiles } from "./pem.js";

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024;

/** An answer: its status, and what its JSON says, undefined where it has none. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * Post JSON and return the answer, whatever its status; nothing of the connection is kept.
 *
 * @throws IPCError UNAVAILABLE, there is no answer
 */
export async function postJson(url: string, body: unknown, tls: TlsFiles): Promise<HttpAnswer> {
  const text = JSON.stringify(body);
  const options = {
    method: "POST",
    headers: { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) },
    signal: AbortSignal.timeout(TIMEOUT_MS),
    agent: false,
    ...tls,
  };
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      const why = error.name === "AbortError" ? `no answer within ${TIMEOUT_MS} ms` : error.message;
      reject(new IPCError("UNAVAILABLE", `${url} cannot be reached: ${why}`, { cause: error }));
    };
    const asked = (url.startsWith("http:") ? plainRequest : request)(url, options, (answer) => {
      let read = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        read += chunk;
        if (read.length > MAX_ANSWER_BYTES) answer.destroy(new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`));
      });
      answer.on("error", fail);
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: parsed(read) }));
    });
    asked.on("error", fail);
    asked.end(text);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
