/** The limits of a server as its Opened carries them. */
import type { Limits as LimitsMessage } from "../../gen/meshcache/v1/cache_pb.ts";
import type { Limits } from "./limits.ts";

/** What a client of a server must respect: the bounds of messages, and what one Exchange may wait for. */
export interface OpenedLimits extends Omit<Limits, "leaseDefaultMs"> {
  /** Batches of one Exchange that may wait for leases at a time. */
  readonly exchangeMaxWaitingBatches: number;
  /** A selector may be of all namespaces whose names have a prefix. */
  readonly namespacePrefixes: boolean;
  /** The server keeps the content encoding of a value. */
  readonly contentEncodings: boolean;
}

export function toLimitsMessage(
  limits: Omit<OpenedLimits, "contentEncodings" | "namespacePrefixes">,
): LimitsMessage {
  return {
    $typeName: "meshcache.v1.Limits",
    namespaceMaxBytes: limits.namespaceMaxBytes,
    keyMaxBytes: limits.keyMaxBytes,
    tagMaxBytes: limits.tagMaxBytes,
    entryMaxTags: limits.entryMaxTags,
    valueMaxBytes: limits.valueMaxBytes,
    contentTypeMaxBytes: limits.contentTypeMaxBytes,
    clientIdMaxBytes: limits.clientIdMaxBytes,
    lifetimeMaxMs: BigInt(limits.lifetimeMaxMs),
    leaseMaxMs: limits.leaseMaxMs,
    leaseWaitMaxMs: limits.leaseWaitMaxMs,
    invalidateMaxKeys: limits.invalidateMaxKeys,
    invalidateMaxTags: limits.invalidateMaxTags,
    batchMaxOperations: limits.batchMaxOperations,
    batchMaxBytes: limits.batchMaxBytes,
    subscriptionMaxSelectors: limits.subscriptionMaxSelectors,
    subscriptionMaxPrefixes: limits.subscriptionMaxPrefixes,
    cursorMaxBytes: limits.cursorMaxBytes,
    receiveMaxBytes: limits.receiveMaxBytes,
    sendMaxBytes: limits.sendMaxBytes,
    exchangeMaxWaitingBatches: limits.exchangeMaxWaitingBatches,
    namespacePrefixes: true,
    contentEncodings: true,
  };
}

/** What the message says; `assumed` for what it does not say. */
export function fromLimitsMessage(message: LimitsMessage, assumed: OpenedLimits): OpenedLimits {
  return {
    namespaceMaxBytes: message.namespaceMaxBytes || assumed.namespaceMaxBytes,
    keyMaxBytes: message.keyMaxBytes || assumed.keyMaxBytes,
    tagMaxBytes: message.tagMaxBytes || assumed.tagMaxBytes,
    entryMaxTags: message.entryMaxTags ?? assumed.entryMaxTags,
    valueMaxBytes: message.valueMaxBytes || assumed.valueMaxBytes,
    contentTypeMaxBytes: message.contentTypeMaxBytes ?? assumed.contentTypeMaxBytes,
    clientIdMaxBytes: message.clientIdMaxBytes || assumed.clientIdMaxBytes,
    lifetimeMaxMs: Number(message.lifetimeMaxMs) || assumed.lifetimeMaxMs,
    leaseMaxMs: message.leaseMaxMs || assumed.leaseMaxMs,
    leaseWaitMaxMs: message.leaseWaitMaxMs ?? assumed.leaseWaitMaxMs,
    invalidateMaxKeys: message.invalidateMaxKeys || assumed.invalidateMaxKeys,
    invalidateMaxTags: message.invalidateMaxTags || assumed.invalidateMaxTags,
    batchMaxOperations: message.batchMaxOperations || assumed.batchMaxOperations,
    batchMaxBytes: message.batchMaxBytes || assumed.batchMaxBytes,
    subscriptionMaxSelectors: message.subscriptionMaxSelectors || assumed.subscriptionMaxSelectors,
    subscriptionMaxPrefixes: message.subscriptionMaxPrefixes || assumed.subscriptionMaxPrefixes,
    cursorMaxBytes: message.cursorMaxBytes || assumed.cursorMaxBytes,
    receiveMaxBytes: message.receiveMaxBytes || assumed.receiveMaxBytes,
    sendMaxBytes: message.sendMaxBytes || assumed.sendMaxBytes,
    exchangeMaxWaitingBatches: message.exchangeMaxWaitingBatches || assumed.exchangeMaxWaitingBatches,
    namespacePrefixes: message.namespacePrefixes,
    contentEncodings: message.contentEncodings,
  };
}
