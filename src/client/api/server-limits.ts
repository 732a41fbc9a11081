/**
 * The limits of the server that this client talks to. The server says them in its greeting, at every connect; this file
 * holds the only ones that the client has of its own, which it assumes until then and of a server that does not say them.
 */
import { LIMIT_BOUNDS } from "../../rpc/limits.ts";
import type { GreetedLimits } from "../../rpc/limits-message.ts";

export type ServerLimits = GreetedLimits;

/**
 * What breaks a bound of one operation the server refuses by itself, so for these the most that any server can be set to
 * is assumed: nothing is refused that the server would take. A breach of the others costs a whole batch, a subscription
 * or the stream: for these the server's default is assumed.
 */
export const ASSUMED_LIMITS: ServerLimits = {
  namespaceMaxBytes: LIMIT_BOUNDS.namespaceMaxBytes.max,
  keyMaxBytes: LIMIT_BOUNDS.keyMaxBytes.max,
  tagMaxBytes: LIMIT_BOUNDS.tagMaxBytes.max,
  entryMaxTags: LIMIT_BOUNDS.entryMaxTags.max,
  valueMaxBytes: LIMIT_BOUNDS.valueMaxBytes.max,
  contentTypeMaxBytes: LIMIT_BOUNDS.contentTypeMaxBytes.max,
  clientIdMaxBytes: LIMIT_BOUNDS.clientIdMaxBytes.max,
  lifetimeMaxMs: LIMIT_BOUNDS.lifetimeMaxMs.max,
  leaseMaxMs: LIMIT_BOUNDS.leaseMaxMs.fallback,
  leaseWaitMaxMs: LIMIT_BOUNDS.leaseWaitMaxMs.fallback,
  invalidateMaxKeys: LIMIT_BOUNDS.invalidateMaxKeys.fallback,
  invalidateMaxTags: LIMIT_BOUNDS.invalidateMaxTags.fallback,
  batchMaxOperations: LIMIT_BOUNDS.batchMaxOperations.fallback,
  batchMaxBytes: LIMIT_BOUNDS.batchMaxBytes.fallback,
  subscriptionMaxSelectors: LIMIT_BOUNDS.subscriptionMaxSelectors.fallback,
  subscriptionMaxPrefixes: LIMIT_BOUNDS.subscriptionMaxPrefixes.fallback,
  cursorMaxBytes: LIMIT_BOUNDS.cursorMaxBytes.fallback,
  receiveMaxBytes: LIMIT_BOUNDS.receiveMaxBytes.fallback,
  sendMaxBytes: LIMIT_BOUNDS.sendMaxBytes.fallback,
  exchangeMaxWaitingBatches: 4_096,
};

/** The most prefixes that a server can be set to take in one subscription. */
export const PREFIXES_MAX = LIMIT_BOUNDS.subscriptionMaxPrefixes.max;
/** The most namespaces that a server can be set to take in one subscription. */
export const SELECTORS_MAX = LIMIT_BOUNDS.subscriptionMaxSelectors.max;
