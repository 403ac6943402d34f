import { isTelltaleError } from '../../lib/plugin.ts';
import { postgres } from '../../plugins/postgres/index.ts';
import { buildEvent } from '../support/event-builder.ts';

/** Told by the process that started this one: first where, then each round by its number. */
type Orders = { readonly url: string; readonly schema: string } | { readonly round: number };

let store: ReturnType<typeof postgres> | undefined;

process.on('message', (orders: Orders) => void obey(orders));

async function obey(orders: Orders): Promise<void> {
  if ('url' in orders) {
    store = postgres(orders);
    await store.open();
    process.send!('ready');
    return;
  }
  const { round } = orders;
  const event = buildEvent({ id: `${process.pid}-${round}`, type: 'race.won', payload: { round } });
  const query = { type: 'race.won', 'payload.round': round };
  const outcome = await store!.append([event], { expect: { query, after: 0 } }).then(
    () => 'won',
    (error: unknown) => (isTelltaleError(error) ? error.code : String(error)),
  );
  process.send!(outcome);
}
