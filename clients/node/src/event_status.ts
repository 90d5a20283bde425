/** What became of an event: the bridge's ledger, as it says it. */

/** What a group has done with an event; a newer bridge may have further states. */
export type DeliveryState =
  | "queued"
  | "delivered"
  | "retrying"
  | "acked"
  | "dead"
  | "not_wanted"
  | "lost"
  | "unknown"
  | (string & {});

/** A log that an event is for, and where it is in it. */
export interface EventPlace {
  readonly log: string;
  /** Null where it is not known any more. */
  readonly position: string | null;
  readonly inLog: boolean;
}

/** What one group has done with an event; times in Unix milliseconds, and what is not known is left out. */
export interface GroupStatus {
  readonly service: string;
  readonly group: string;
  readonly log: string;
  readonly position: string;
  readonly state: DeliveryState;
  /** How many hubs serve the group now. */
  readonly hubs: number;
  /** Whether no member is there. */
  readonly offline: boolean;
  readonly attempt?: number;
  readonly maxAttempts?: number;
  readonly instance?: string;
  readonly hub?: string;
  readonly sinceMs?: number;
  readonly nextMs?: number;
  readonly ackedInMs?: number;
  readonly ackedMs?: number;
  /** How many events the group has before this one. */
  readonly ahead?: number;
  readonly wanted?: boolean;
  readonly error?: string;
  readonly reason?: string;
  readonly deadLetter?: string;
  readonly discardedBy?: string;
  readonly redriven?: number;
  readonly forgotten?: boolean;
}

/** An event's head, where it is, and what each group has done with it; null is what is not known any more. */
export interface EventStatus {
  readonly id: string;
  readonly event: string | null;
  readonly source: string | null;
  readonly target: string | readonly string[] | null;
  /** Unix milliseconds. */
  readonly ts: number | null;
  readonly logs: readonly EventPlace[];
  readonly groups: readonly GroupStatus[];
  readonly askedMs: number;
  /** Whether there are more groups than an answer holds. */
  readonly hasMore: boolean;
}
