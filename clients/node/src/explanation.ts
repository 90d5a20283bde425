/** Who would get an event, and who would not and why. */

/** Why somebody would get an event, or would not; a newer bridge may have further reasons. */
export type Reason =
  | "match"
  | "target"
  | "not_subscribed"
  | "pattern"
  | "permission"
  | "where"
  | "where_failed"
  | "select_failed"
  | "unknown"
  | (string & {});

/** Whether an attached instance would get the event; null where that is not known. */
export interface LiveVerdict {
  readonly service: string;
  readonly instance: string;
  readonly gets: boolean | null;
  readonly reason: Reason;
  readonly text: string;
  readonly pattern?: string;
}

/** Whether a durable group would get the event, and what would be before it. */
export interface GroupVerdict {
  readonly service: string;
  readonly group: string;
  readonly gets: boolean | null;
  readonly reason: Reason;
  readonly text: string;
  /** Whether no member is there, so that the event would wait in the log. */
  readonly offline: boolean;
  readonly hubs: number;
  readonly ahead: number | null;
  readonly lost: number;
  readonly dead: number;
  readonly pattern?: string;
}

/** What would become of an event; nothing was emitted. */
export interface Explanation {
  readonly event: string;
  readonly source: string;
  readonly target: readonly string[];
  /** Why it would not even be taken. */
  readonly refused: { readonly code: string; readonly message: string } | null;
  readonly live: readonly LiveVerdict[];
  readonly groups: readonly GroupVerdict[];
  /** Services that it is for and that nobody is there of. */
  readonly offline: readonly string[];
  readonly askedMs: number;
  /** Whether there are more instances or groups than an answer holds. */
  readonly hasMore: boolean;
}
