import type { Metadata } from 'telltale';

/**
 * Who of the team says it. The bus stamps its own name as the source of every event, so the member's name goes into
 * the metadata; `telltale show` prints it instead of the source.
 */
export function by(name: string, metadata: Metadata = {}): { readonly metadata: Metadata } {
  return { metadata: { ...metadata, speaker: name } };
}
