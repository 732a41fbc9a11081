/** Reads the replies of RESP2. Bulk strings are bytes; errors are values of `EngineError`, which nobody throws here. */

/** An error that the engine has answered with. `message`: as it came, such as "TENURE ...". */
export class EngineError extends Error {
  /** The first word. */
  get code(): string {
    return this.message.split(" ", 1)[0] ?? "";
  }
}

export type Reply = Buffer | number | string | null | EngineError | readonly Reply[];

const CR_LF = "\r\n";

export class ReplyReader {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /** The replies that are complete with these bytes. */
  push(chunk: Buffer): Reply[] {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const replies: Reply[] = [];
    let kept = 0;
    for (this.#at = 0; ; kept = this.#at) {
      const reply = this.#read();
      if (reply === undefined) break;
      replies.push(reply);
    }
    this.#bytes = this.#bytes.subarray(kept);
    return replies;
  }

  /** Undefined: it is not complete. */
  #read(): Reply | undefined {
    const end = this.#bytes.indexOf(CR_LF, this.#at);
    if (end < 0) return undefined;
    const type = String.fromCharCode(this.#bytes[this.#at] ?? 0);
    const line = this.#bytes.toString("utf8", this.#at + 1, end);
    this.#at = end + CR_LF.length;
    switch (type) {
      case "+":
        return line;
      case "-":
        return new EngineError(line);
      case ":":
        return Number(line);
      case "$":
        return this.#bulk(Number(line));
      case "*":
        return this.#array(Number(line));
      default:
        throw new Error(`no reply of RESP2 begins with ${JSON.stringify(type)}`);
    }
  }

  #bulk(length: number): Reply | undefined {
    if (length < 0) return null;
    const begin = this.#at;
    const end = begin + length;
    if (this.#bytes.length < end + CR_LF.length) return undefined;
    this.#at = end + CR_LF.length;
    return Buffer.from(this.#bytes.subarray(begin, end));
  }

  #array(length: number): Reply | undefined {
    if (length < 0) return null;
    const items: Reply[] = [];
    for (let left = length; left > 0; left--) {
      const item = this.#read();
      if (item === undefined) return undefined;
      items.push(item);
    }
    return items;
  }
}
