/** Cutting text. */

/** The first `maxLength` UTF-16 units, or one less: a surrogate pair is not cut in two. */
export function cutText(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const last = text.charCodeAt(maxLength - 1);
  const isFirstOfPair = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, isFirstOfPair ? maxLength - 1 : maxLength);
}
