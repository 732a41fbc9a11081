/** What the work of a turn is counted in: bytes that are copied into new memory in the same time, some hundred in a microsecond. */

/** What an operation of a batch costs beside what it copies. */
export const OPERATION_WORK_BYTES = 2 * 1024;
/** What it costs to begin a stream. */
export const STREAM_WORK_BYTES = 4 * 1024;
/** What it costs to end a call that its peer has left: hundreds end with a connection. */
export const LEFT_CALL_WORK_BYTES = 4 * 1024;
/** What it costs to answer the first message of a TLS client, which takes a signature. */
export const HANDSHAKE_WORK_BYTES = 128 * 1024;
/** What it costs to complete the handshake, which may take the proof of a certificate. */
export const PROOF_WORK_BYTES = 64 * 1024;
/** What a unary call costs beside its stream. */
export const CALL_WORK_BYTES = 16 * 1024;
/** What it costs to answer a unary call that has waited, beside its answer: its stream is ended too. */
export const ANSWER_WORK_BYTES = 8 * 1024;
/** What an error costs: it is made, described and encoded. */
export const ERROR_WORK_BYTES = 16 * 1024;
/** What a frame of an Exchange costs beside its operations. */
export const FRAME_WORK_BYTES = 4 * 1024;
/** What an Invalidate costs beside its keys or tags: a fence, and an event that is written for all subscribers. */
export const INVALIDATE_WORK_BYTES = 8 * 1024;
/** What a key or a tag of an Invalidate costs. */
export const KEY_WORK_BYTES = 1024;
/** What a Lease costs beside an operation that reads. */
export const LEASE_WORK_BYTES = 4 * 1024;
/** What a page of ListKeys costs, which looks at a thousand entries. */
export const PAGE_WORK_BYTES = 3 * 1024 * 1024;
/** What it costs to look whether a call has to end. */
export const JUDGE_WORK_BYTES = 64;
