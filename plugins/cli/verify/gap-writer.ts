import type { Store, TelltaleEvent } from '../../../lib/plugin.ts';
import type { Acknowledged } from './child.ts';
import { untilAnswered } from './until-answered.ts';

export interface GapTerms {
  /** Begins the ids of this writer. */
  readonly writer: string;
  readonly events: number;
  readonly acknowledged: (answer: Acknowledged) => void;
}

/** What refused events begin with: none of them may ever be there. */
export const VAIN = 'vain-';

/** Appends about so many events, one to three at a time, with some in between that the store must refuse. */
export async function writeForGaps(store: Store, { writer, events: count, acknowledged }: GapTerms): Promise<void> {
  for (let [n, left] = [0, count]; left > 0; n++) {
    const size = 1 + (n % 3);
    left -= size;
    // Refused on purpose: it must use up no position.
    if (n % 7 === 3) await mustBeRefused(store, eventOf(`${VAIN}${writer}-${n}`));
    const batch = `gap-${writer}-${n}`;
    const events = Array.from({ length: size }, (_, i) => eventOf(`${batch}-${i}`));
    const { position } = await untilAnswered(() => store.append(events));
    acknowledged({ batch, size, position });
    // A store in memory answers without ever waiting: readers must have their turns.
    if (n % 2 === 0) await turn();
  }
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function mustBeRefused(store: Store, event: TelltaleEvent): Promise<void> {
  const refused = await store.append([event], { expect: 1_000_000 }).then(
    () => false,
    () => true,
  );
  if (!refused) throw new Error('an append that expects another revision was stored');
}

function eventOf(id: string): TelltaleEvent {
  return {
    id,
    type: 'gap.tested',
    source: 'verify',
    time: 1,
    entity: `gap/${id}`,
    correlationId: id,
    schemaVersion: 1,
    payload: { text: 'x'.repeat(100) },
    metadata: {},
  };
}
