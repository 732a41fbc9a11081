/** What a stream would emit, told to its reader. */
import type { Buffer } from "node:buffer";
import type { StreamReader } from "../calls/http2-stream.ts";

/** False: it is of no interest to readers. */
export function tell(reader: StreamReader, event: string, chunk?: Buffer): boolean {
  switch (event) {
    case "data":
      if (chunk !== undefined) reader.dataCame(chunk);
      return true;
    case "end":
      reader.requestEnded();
      return true;
    case "wantTrailers":
      reader.trailersWanted();
      return true;
    case "close":
      reader.streamClosed();
      return true;
    default:
      return false;
  }
}
