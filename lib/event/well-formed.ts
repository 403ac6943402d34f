/** Whether every store can hold the string exactly: no NUL and no lone surrogate. */
export function isWellFormed(text: string): boolean {
  // Node has had String.prototype.isWellFormed since 20; TypeScript lists it under es2024.
  return (text as string & { isWellFormed(): boolean }).isWellFormed() && !text.includes('\0');
}
