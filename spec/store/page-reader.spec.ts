import { expect } from 'chai';
import type { StoredEvent } from '../../lib/plugin.ts';
import { fillPage } from '../../lib/store/page-reader.ts';
import { buildEvent } from '../support/event-builder.ts';

const ALL: readonly StoredEvent[] = Array.from({ length: 9 }, (_, i) => ({
  ...buildEvent(),
  position: i + 1,
  revision: 0,
  storedAt: 0,
}));

describe('fillPage', () => {
  for (const answered of [1, 2, 4, 7])
    it(`makes a page of 4 from a store that answers ${answered} at once`, async () => {
      const { page, asked } = await fill(answered, 4);
      expect(page).to.deep.include({ looked: 4, done: false });
      expect(page.events.map(({ position }) => position)).to.deep.equal([1, 2, 3, 4]);
      expect(asked).to.equal(Math.ceil(4 / answered));
    });

  it('lets the event loop turn while a filter takes its time, and looks at everything all the same', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const events = Array.from({ length: 40 }, (_, i) => ({ ...ALL[0]!, position: i + 1 }));
    const answer = async () => ({ events, looked: 40, done: true });
    const page = await fillPage(answer, { after: 0, through: 40, descending: false, limit: 100 }, isEvenSlowly);
    clearInterval(timer);
    expect(page).to.deep.include({ looked: 40, done: true, scanned: 40 });
    expect(page.events.map(({ position }) => position)).to.deep.equal(Array.from({ length: 20 }, (_, i) => 2 * i + 2));
    expect(turns).to.be.at.least(5);
  });

  it('ends with the range', async () => {
    const { page } = await fill(20, 20);
    expect(page).to.deep.include({ events: ALL, looked: 9, done: true, scanned: 9 });
  });
});

/** A store that pays no attention to the limit. */
async function fill(answered: number, limit: number) {
  let asked = 0;
  const page = await fillPage(
    async ({ after }) => {
      asked++;
      const events = ALL.slice(after, after + answered);
      return { events, looked: after + events.length, done: after + answered >= ALL.length };
    },
    { after: 0, through: 9, descending: false, limit },
    undefined,
  );
  return { page, asked };
}

function isEvenSlowly({ position }: StoredEvent): boolean {
  for (const end = performance.now() + 3; performance.now() < end;);
  return position % 2 === 0;
}
