/**
 * The limits of the server that this client talks to. The server sends them in Opened, at every connect. This file holds
 * the only limits that the client assumes: before Opened, and for a server that does not send them.
 */
import { LIMIT_BOUNDS } from "../../rpc/limits.ts";
import type { OpenedLimits } from "../../rpc/limits-message.ts";

export type ServerLimits = OpenedLimits;

/**
 * For bounds of one operation these are the largest values that a server can have, because the server refuses only that
 * operation. For bounds of a batch, a subscription or a stream these are the server's defaults.
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
  namespacePrefixes: false,
  contentEncodings: false,
};

/** The most prefixes that a server can be set to take in one subscription. */
export const PREFIXES_MAX = LIMIT_BOUNDS.subscriptionMaxPrefixes.max;
/** The most namespaces that a server can be set to take in one subscription. */
export const SELECTORS_MAX = LIMIT_BOUNDS.subscriptionMaxSelectors.max;
