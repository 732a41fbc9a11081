/** How a peer may break the protocol on a connection with one stream and with many alike. */
import { connectionFault, errorCode, streamFault } from "./frame.ts";

export const NOT_CONTINUED = connectionFault("headers that are not continued", errorCode.protocolError);
export const ENDED = streamFault("a frame behind the end of its stream", errorCode.streamClosed);
export const NO_ROOM = connectionFault("more data than there is room for", errorCode.flowControlError);
export const FLOOD = connectionFault("too many frames that carry nothing", errorCode.enhanceYourCalm);
export const MALFORMED = streamFault("malformed headers", errorCode.protocolError);
export const WRONG_CONTENT_LENGTH = streamFault(
  "data of another length than announced",
  errorCode.protocolError,
);
export const DEPENDS_ON_ITSELF = streamFault("a stream that depends on itself", errorCode.protocolError);
