/** UTF-8, against the UTF-16 of strings. */

/** The most bytes that one unit of a string takes: a character of four bytes has two units. */
export const UTF8_MAX_BYTES_PER_UNIT = 3;
