import { SETTLED, readLetter, readStep, type DeadLetter } from '../store/letter.ts';
import { openLetters } from '../store/open-letters.ts';
import type { Store } from '../store/port.ts';

/** Who a consumer is in its dead letters: no pattern of a subscription reads so. */
export const recipientOf = (name: string): string => `consumer:${name}`;

/** The consumer that a letter was meant for; undefined where it was meant for no consumer. */
export function consumerNamed(recipient: string | undefined): string | undefined {
  return recipient?.startsWith('consumer:') ? recipient.slice('consumer:'.length) : undefined;
}

/** Does an open letter of the log tell this recipient about the event at this position? */
export async function hasOpenLetter(store: Store, recipient: string, position: number): Promise<boolean> {
  const letters = await openLetters(store);
  for (const opened of letters.about(position)) {
    const letter = await letterAt(store, opened);
    if (letter?.recipient === recipient) return true;
  }
  return false;
}

/** Calls back with the position of each event of which a letter to this recipient is settled; answers the undo. */
export function onSettled(store: Store, recipient: string, settled: (position: number) => void): () => void {
  return store.onCommit((events) => {
    for (const event of events) {
      if (!SETTLED.has(event.type)) continue;
      void letterAt(store, readStep(event).opened).then(
        (letter) => {
          if (letter?.recipient === recipient && letter.position !== undefined) settled(letter.position);
          return undefined;
        },
        // Whoever resumes the consumer tries it again.
        () => undefined,
      );
    }
  });
}

async function letterAt(store: Store, opened: number): Promise<DeadLetter | undefined> {
  if (opened === 0) return undefined;
  const page = await store.page({ after: opened - 1, through: opened, descending: false, limit: 1 });
  return page.events[0] && readLetter(page.events[0]);
}
