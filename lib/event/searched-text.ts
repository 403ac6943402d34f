/** What of a value can be searched: strings, and numbers as JSON writes them. */
export function searchedText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : undefined;
}

export function foldCase(text: string): string {
  return text.toLowerCase();
}

/** Lower case depends on the place here alone: a sigma at the end of a word has a form of its own. */
export function foldCaseAndSigma(text: string): string {
  return text.toLowerCase().replaceAll('ς', 'σ');
}
