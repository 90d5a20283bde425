/**
 * Events, groups, calls, resources and long operations between Exprsn services, by the bridge's Socket.IO door.
 *
 * @packageDocumentation
 */
export { connect, IPCClient } from "./client.js";
export { ERROR_CODES, type ErrorCode } from "./codes.js";
export type { EventDeclaration } from "./declarations.js";
export { IPCError, type IPCErrorOptions, Reject, RetryLater } from "./errors.js";
export type {
  DeliveryContext,
  EventContext,
  GroupHandler,
  GroupOptions,
  Handler,
  LiveOptions,
  Subscription,
  Terms,
} from "./events.js";
export type { DeliveryState, EventPlace, EventStatus, GroupStatus } from "./event_status.js";
export type { Explanation, GroupVerdict, LiveVerdict, Reason } from "./explanation.js";
export type { Hook, HookArguments, HookName } from "./hooks.js";
export type {
  LongOperation,
  LongOperationOptions,
  LongWork,
  OperationInfo,
  OperationStatus,
} from "./long_operation.js";
export type { Notice, Welcome } from "./messages.js";
export type {
  AskingOptions,
  CallOptions,
  ConnectOptions,
  EmitOptions,
  ExplainOptions,
  OperationOptions,
  StatusOptions,
} from "./options.js";
export type { Emitted } from "./outbox.js";
export { checkEvent, compilePattern, type Matcher, overlap } from "./patterns.js";
export type { Pem } from "./pem.js";
export type { Positions } from "./positions.js";
export type {
  DeclaredInfo,
  Drift,
  EndpointFigures,
  GroupHearing,
  InstanceInfo,
  OwnerState,
  ServedResource,
  ServiceInfo,
  Services,
} from "./services.js";
export type { Operation, Operations, ResourceCall, ServeOptions } from "./serving.js";
export type { SetOptions, TokenState } from "./token_state.js";
export type { TokenGiver } from "./tokens.js";
