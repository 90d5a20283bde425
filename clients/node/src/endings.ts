/** Why a connection was refused or has ended, and whether it is any use to come back. */
import { IPCError } from "./errors.js";
import type { ClosedNotice, Notice } from "./messages.js";

/** How a session has ended. */
export interface SessionEnd {
  readonly error: IPCError;
  readonly mayReconnect: boolean;
}

/** Close codes after which what was sent would be refused again (RFC 6455, section 7.4.1). */
const REFUSED_BY_SERVER = new Set([1003, 1007, 1008, 1009]);
/** What close codes are called in the table of errors, where that differs. */
const CODES: Readonly<Record<string, string>> = {
  BAD_FRAME: "INVALID_MESSAGE",
  TOO_LARGE: "FRAME_TOO_LARGE",
  REVOKED: "TOKEN_REVOKED",
  DISCONNECTED: "UNAVAILABLE",
  DISMISSED: "FORBIDDEN",
};

/** Return why a connection came to nothing: the bridge's reason where it has given one. */
export function connectionRefusal(error: Error & { data?: unknown; description?: unknown }): IPCError {
  const data = error.data as { code?: unknown; retryable?: unknown; details?: unknown } | undefined;
  if (typeof data?.code === "string") {
    return new IPCError(data.code, error.message, {
      retryable: data.retryable === true,
      details: data.details as Record<string, unknown> | undefined,
    });
  }
  // Not as the cause: whoever writes it to a log would write what the connection was made with, its key among it.
  return new IPCError("UNAVAILABLE", `the bridge cannot be reached: ${reasonOf(error)}`);
}

/** Return how a session has ended, from what socket.io-client says and what the bridge said before. */
export function sessionEnd(reason: string, details: unknown, notice: Notice | undefined): SessionEnd {
  if (notice !== undefined) {
    const { code, error, message, reconnect } = notice as ClosedNotice;
    const named = new IPCError(CODES[error] ?? error, message, { retryable: reconnect, details: { closeCode: code } });
    return { error: named, mayReconnect: reconnect };
  }
  const closeCode = (details as { context?: { code?: unknown } } | undefined)?.context?.code;
  const isRefused = typeof closeCode === "number" && REFUSED_BY_SERVER.has(closeCode);
  const error = new IPCError("UNAVAILABLE", `the connection was lost: ${reason}`, {
    retryable: !isRefused,
    ...(typeof closeCode === "number" ? { details: { closeCode } } : {}),
  });
  return { error, mayReconnect: !isRefused };
}

// The transport's error is in `description`: an event of ws, or an error of the request.
function reasonOf(error: { message: string; description?: unknown }): string {
  const described = error.description as { message?: unknown; error?: { message?: unknown } } | undefined;
  const found = described?.error?.message ?? described?.message;
  return typeof found === "string" && found !== "" ? `${error.message}, ${found}` : error.message;
}
