/** The codes of errors, each with the answer to "may I try again?": the table of the wire protocol. */

/** Every code that the bridge knows, and whether the same request may succeed when it is sent again unchanged. */
export const ERROR_CODES = {
  INVALID_JSON: false,
  INVALID_MESSAGE: false,
  UNKNOWN_TYPE: false,
  INVALID_EVENT: false,
  INVALID_PATTERN: false,
  INVALID_POSITION: false,
  INVALID_CONFIGURATION: false,
  INVALID_DATA: false,
  INVALID_GROUP: false,
  INVALID_RESOURCE: false,
  UNKNOWN_DELIVERY: false,
  UNKNOWN_CALL: false,
  RESOURCE_TAKEN: false,
  NO_OWNER: true,
  OWNER_LOST: true,
  OVERLOADED: true,
  CIRCUIT_OPEN: true,
  CANCELLED: false,
  VALIDATION_FAILED: false,
  CONFLICT: false,
  DATA_TOO_LARGE: false,
  FRAME_TOO_LARGE: false,
  UNKNOWN_SERVICE: false,
  UNKNOWN_TARGET: false,
  NOT_IMPLEMENTED: false,
  UNAUTHENTICATED: false,
  TOKEN_INVALID: false,
  TOKEN_EXPIRED: false,
  TOKEN_NOT_YET_VALID: false,
  TOKEN_REVOKED: false,
  TOKEN_WRONG_SERVICE: false,
  TOKEN_WRONG_TARGET: false,
  TOKEN_WRONG_ENVIRONMENT: false,
  FORBIDDEN: false,
  NOT_FOUND: false,
  EVENT_NOT_FOUND: false,
  AMBIGUOUS_EVENT: false,
  METHOD_NOT_ALLOWED: false,
  NOT_ACCEPTABLE: false,
  UNSUPPORTED_MEDIA_TYPE: false,
  AUTH_TIMEOUT: true,
  TOO_MANY_SUBSCRIPTIONS: false,
  TOO_SLOW: true,
  RATE_LIMIT_EXCEEDED: true,
  JSONLEX_INVALID: false,
  JSONLEX_TOO_DEEP: false,
  JSONLEX_TOO_LARGE: false,
  JSONLEX_TYPE: false,
  JSONLEX_RANGE: false,
  JSONLEX_TOO_COSTLY: false,
  JSONLEX_RESULT_TOO_LARGE: false,
  UNAVAILABLE: true,
  TIMEOUT: true,
  DRAINING: true,
  INTERNAL: true,
} as const;

/** A code of the table. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** Whether the code is one after which the same request may succeed; one of an owner's own is not. */
export function isRetryable(code: string): boolean {
  return Object.hasOwn(ERROR_CODES, code) && ERROR_CODES[code as ErrorCode];
}
