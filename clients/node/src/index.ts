/**
 * Events, groups, calls and resources between Exprsn services, by the bridge's Socket.IO door.
 *
 * @packageDocumentation
 */
export { connect, IPCClient } from "./client.js";
export { ERROR_CODES, type ErrorCode } from "./codes.js";
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
export type { Hook, HookArguments, HookName } from "./hooks.js";
export type { Notice, Welcome } from "./messages.js";
export type { CallOptions, ConnectOptions, EmitOptions, OperationOptions } from "./options.js";
export type { Emitted } from "./outbox.js";
export { checkEvent, compilePattern, type Matcher, overlap } from "./patterns.js";
export type { Pem } from "./pem.js";
export type { Positions } from "./positions.js";
export type { Operation, Operations, ResourceCall, ServeOptions } from "./serving.js";
export type { TokenGiver } from "./tokens.js";
