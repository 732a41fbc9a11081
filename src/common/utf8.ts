/** UTF-8, against the UTF-16 of strings. */

/** The most bytes that one unit of a string takes: a character of four bytes has two units. */
export const UTF8_MAX_BYTES_PER_UNIT = 3;

/** Writes a text in UTF-8 and returns where it ends. Most text is short ASCII, for which a loop is faster than a native call. */
export function writeText(target: Buffer, begin: number, text: string): number {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) return begin + target.write(text, begin);
    target[begin + index] = unit;
  }
  return begin + text.length;
}
