/** Reads texts that lie one behind the other, each behind its length in one byte or in two. */
export class TextReader {
  at: number;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  /** Behind one byte. */
  short(): string {
    return this.#text(this.#bytes[this.at] ?? 0, 1);
  }

  /** Behind two bytes. */
  long(): string {
    return this.#text(this.#bytes.readUInt16BE(this.at), 2);
  }

  /** All of `long` up to this end. */
  rest(end: number = this.#bytes.length): string[] {
    const texts: string[] = [];
    while (this.at < end) texts.push(this.long());
    return texts;
  }

  #text(bytes: number, lengthBytes: number): string {
    const begin = this.at + lengthBytes;
    this.at = begin + bytes;
    return this.#bytes.toString("utf8", begin, this.at);
  }
}
