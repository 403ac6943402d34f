import type { SubscriptionOptions } from './subscription.ts';

/** A group is one over all threads; several who answer are asked one by one. */
export type RecipientKind = 'on' | 'group' | 'answer';

// The members of a group are one; readers and links have no handler that could name itself.
export const isTold = ({ group, stream, link }: SubscriptionOptions): boolean =>
  group === undefined && !stream && !link;

export const kindOf = ({ group, answers }: SubscriptionOptions): RecipientKind =>
  answers ? 'answer' : group === undefined ? 'on' : 'group';

/** What a subscription shares with others like it. */
export function nameOf(options: SubscriptionOptions): string {
  const { group, pattern } = options;
  return group === undefined ? `${kindOf(options)}:${pattern}` : `group:${group}/${pattern}`;
}
