/** Where what comes by a session goes. */
import type { Groups } from "./groups.js";
import type { Hooks } from "./hooks.js";
import type { LiveSubscriptions } from "./live.js";
import { errorFrom } from "./messages.js";
import type { OpenOperations } from "./open_operations.js";
import type { Outbox } from "./outbox.js";
import type { Serving } from "./serving.js";
import type { SessionListener } from "./session.js";

/** The parts of a client that hear something. */
export interface Parts {
  readonly hooks: Hooks;
  readonly outbox: Outbox;
  readonly live: LiveSubscriptions;
  readonly groups: Groups;
  readonly serving: Serving;
  readonly operations: OpenOperations;
}

/**
 * Return what gives each message to the part that it is for.
 *
 * @param delay told how many milliseconds the bridge wants to be left alone when it stops
 */
export function listenerOf(parts: Parts, delay: (ms: number) => void): SessionListener {
  const { hooks, outbox, live, groups, serving, operations } = parts;
  return {
    event: (name, payload, about, done, session) => {
      if (done !== undefined && about.group !== undefined) groups.take(name, payload, about, done, session);
      else live.take(name, payload, about, session);
    },
    called: (call, answer, session) => serving.take(call, answer, session),
    cancelled: (callId, session) => serving.cancel(callId, session),
    positions: (positions) => live.heartbeat(positions),
    notice: (notice) => {
      const retryAfterMs = notice["retryAfterMs"];
      if (notice.notice === "draining" && typeof retryAfterMs === "number") delay(retryAfterMs);
      if (notice.notice === "cancelled") operations.cancelled(notice["operation"]);
      hooks.call("notice", notice);
    },
    refused: (refusal) => {
      // A cancel and the reply have crossed on the way: nothing is wrong.
      if (refusal.error === "UNKNOWN_CALL") return;
      if (refusal.id === undefined || !outbox.knows(refusal.id)) hooks.call("error", errorFrom(refusal));
    },
  };
}
