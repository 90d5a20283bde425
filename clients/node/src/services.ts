/** What services are known by: their instances, what these serve, say and hear, and how calls to them are doing. */

/** A resource that an instance answers calls to, with its operations. */
export interface ServedResource {
  readonly name: string;
  readonly ops: readonly string[];
}

/** A durable group that an instance is a member of, and the patterns of the group. */
export interface GroupHearing {
  readonly group: string;
  readonly events: readonly string[];
}

/** One attached instance; what it says of itself (version, pid, hostname) is not to be trusted. Times in Unix milliseconds. */
export interface InstanceInfo {
  readonly instance: string;
  readonly version: string;
  readonly pid: number;
  readonly hostname: string;
  readonly door: string;
  readonly hub: string;
  readonly registeredMs: number;
  readonly lastSeenMs: number;
  readonly lastActivityMs: number;
  readonly resources: readonly ServedResource[];
  readonly emits: readonly string[];
  readonly hears: readonly string[];
  readonly groups: readonly GroupHearing[];
}

/** How an operation on a resource is doing, over all hubs; times in milliseconds. */
export interface EndpointFigures {
  readonly resource: string;
  readonly op: string;
  readonly requests: number;
  readonly errors: number;
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly lastError: string | null;
  readonly lastErrorMs: number | null;
}

/** How one hub sees an instance that serves a resource: its breaker, and the calls that it has given to it. */
export interface OwnerState {
  readonly resource: string;
  readonly instance: string;
  readonly hub: string;
  readonly breaker: string;
  readonly opensInMs: number;
  readonly inFlight: number;
  readonly limit: number;
  readonly breakerFailures: number;
  readonly breakerPauseMs: number;
}

/** How emitted data fits a schema, of what was looked at; `lastPointer` is where the last one did not. */
export interface Drift {
  readonly checked: number;
  readonly drifted: number;
  readonly lastError: string;
  readonly lastPointer: string;
  readonly lastMs: number | null;
}

/** An event that a service has declared, without its schema. */
export interface DeclaredInfo {
  readonly event: string;
  readonly declaredMs: number;
  readonly isChecked: boolean;
  readonly drift: Drift;
}

/** One service that is attached, or that calls were made to. */
export interface ServiceInfo {
  readonly name: string;
  readonly namespace: string;
  readonly registeredMs: number | null;
  readonly lastSeenMs: number | null;
  readonly instanceCount: number;
  readonly instances: readonly InstanceInfo[];
  readonly endpoints: readonly EndpointFigures[];
  readonly owners: readonly OwnerState[];
  readonly declares: readonly DeclaredInfo[];
}

/** Services, as they were when it was asked. */
export interface Services {
  readonly services: readonly ServiceInfo[];
  /** Whether there are more instances than an answer holds. */
  readonly hasMore: boolean;
}
