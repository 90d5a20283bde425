/** The two names of a service: `herald` in addresses, `exprsn-herald` in messages. */

const PREFIX = "exprsn-";

/** The bridge, as whom assertions are meant for. */
export const BRIDGE = "exprsn-bridge";

/** Return the name that messages have; both are accepted. */
export function fullName(service: string): string {
  return service.startsWith(PREFIX) ? service : PREFIX + service;
}

/** Return the name that addresses have; both are accepted. */
export function shortName(service: string): string {
  return service.startsWith(PREFIX) ? service.slice(PREFIX.length) : service;
}
