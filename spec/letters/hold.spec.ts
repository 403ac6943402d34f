import { expect } from 'chai';
import type { Bus } from '../../lib/api.ts';
import { createBus } from '../../lib/bus.ts';
import { LETTER_DISCARDED, LETTER_OPENED, letterEntity } from '../../lib/store/letter.ts';
import type { Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { collectGarbage } from '../support/garbage.ts';
import { longestHoldMs } from '../support/loop-hold.ts';

const LETTERS = 40_000;
const SETTLED = 10_000;
const HOLD_MS = 20;

const idOf = (n: number): string => `letter-${String(n).padStart(6, '0')}`;

async function fill(store: Store, count: number, type: string, payloadOf: (n: number) => object): Promise<void> {
  for (let done = 0; done < count; done += 1_000) {
    const events = Array.from({ length: 1_000 }, (_, i) => {
      const n = done + i + 1;
      return buildEvent({ id: `${type}-${n}`, type, entity: letterEntity(idOf(n)), payload: payloadOf(n) });
    });
    await store.append(events);
  }
}

const FAILED = { reason: 'handler-failed', eventType: 'a', recipient: 'a', error: { name: 'Error', message: 'no' } };

const opened = (n: number): object => ({
  ...FAILED,
  id: idOf(n),
  time: 0,
  eventId: `event-${n}`,
  correlationId: '',
  attempts: 1,
  count: 1,
  escaped: '{}',
  hash: '',
});

async function listAll(bus: Bus): Promise<number> {
  let count = 0;
  let before: string | undefined;
  for (;;) {
    const page = await bus.deadLetters.list({ limit: 500, ...(before !== undefined && { before }) });
    count += page.length;
    if (page.length < 500) return count;
    before = page.at(-1)!.id;
  }
}

describe('a log full of dead letters', function () {
  this.timeout(60_000);
  // The garbage of filling the log may be collected during a look; what the look itself does comes every time.
  this.retries(2);

  it(`holds the event loop at most ${HOLD_MS} ms at the first look, page by page, and behind many settled`, async () => {
    const store = memory({ capacity: 4 * LETTERS });
    await using bus = await createBus({ store });
    await fill(store, LETTERS, LETTER_OPENED, opened);
    collectGarbage();
    const first = await longestHoldMs(() => bus.deadLetters.list());
    const pages = await longestHoldMs(async () => expect(await listAll(bus)).to.equal(LETTERS));
    await fill(store, SETTLED, LETTER_DISCARDED, (n) => ({ letterId: idOf(n), opened: n, attempt: 0 }));
    collectGarbage();
    const settled = await longestHoldMs(() => bus.deadLetters.list());
    expect(first, 'the first look').to.be.below(HOLD_MS);
    expect(pages, 'page by page').to.be.below(HOLD_MS);
    expect(settled, 'behind many settled').to.be.below(HOLD_MS);
    expect(await listAll(bus)).to.equal(LETTERS - SETTLED);
  });
});
