/**
 * Makes text from other programs safe for the operator's terminal: one line, without control
 * characters and without characters that change the writing direction.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, " ");
}
