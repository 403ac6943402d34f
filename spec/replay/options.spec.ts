import { expect } from 'chai';
import type { RemovedRange } from '../../lib/plugin.ts';
import { refusalOf } from '../support/code-of.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createLived, noting, takeSteps, type Lived } from './lived.ts';

const nothing = (): void => undefined;

describe('the options of a replay', () => {
  const wrong: readonly (readonly [options: unknown, code: string, text: RegExp])[] = [
    [undefined, 'INVALID_OPTION', /the argument of `replay` to be an object/],
    [{}, 'INVALID_OPTION', /`into` of replay is required/],
    [{ into: nothing, intoo: 1 }, 'INVALID_OPTION', /`intoo` is not an option of replay/],
    ...[0, -1, NaN, Infinity, 'fast', '2', null].map(
      (speed) => [{ into: nothing, speed }, 'INVALID_OPTION', /`speed` of replay to be 'max', 'original'/] as const,
    ),
    [{ into: nothing, maxGap: -1 }, 'INVALID_DURATION', /`maxGap`/],
    [{ into: nothing, maxGap: 'soon' }, 'INVALID_DURATION', /`maxGap`/],
    [{ into: nothing, order: 'id' }, 'INVALID_OPTION', /`order` of replay to be 'position' or 'time'/],
    [{ into: nothing, direction: 'up' }, 'INVALID_OPTION', /`direction` of replay/],
    [{ into: nothing, concurrency: 0 }, 'INVALID_OPTION', /`concurrency` of replay/],
    [{ into: nothing, key: 5 }, 'INVALID_OPTION', /`key` of replay/],
    [{ into: nothing, key: 'payload.__proto__' }, 'INVALID_PATH', /__proto__/],
    [{ into: nothing, retry: { attempts: 0 } }, 'INVALID_OPTION', /`retry.attempts`/],
    [{ into: nothing, dryRun: 1 }, 'INVALID_OPTION', /`dryRun` of replay/],
    [{ into: nothing, accept: 'yes' }, 'INVALID_OPTION', /`accept` of replay/],
    [{ into: nothing, signal: {} }, 'INVALID_OPTION', /`signal` of replay/],
    [{ into: nothing, pattern: 'a..b' }, 'INVALID_PATTERN', /a\.\.b/],
    [{ into: nothing, where: { 'payload.n': { $near: 1 } } }, 'INVALID_FILTER', /\$near/],
    [{ into: nothing, from: 'yesterday' }, 'INVALID_PLACE', /`from`/],
    [{ into: nothing, from: 1, after: 1 }, 'INVALID_QUERY', /`from` or `after`/],
    [{ into: 5 }, 'INVALID_OPTION', /`into` to be a handler/],
    [{ into: {} }, 'INVALID_OPTION', /`into` to be a handler/],
    [{ into: { 'a.b': 5 } }, 'INVALID_OPTION', /`into\['a\.b'\]` to be a handler/],
    [{ into: { 'a..b': nothing } }, 'INVALID_PATTERN', /a\.\.b/],
    [{ into: { next: nothing }, concurrency: 2 }, 'INVALID_OPTION', /`into` with `key` or `concurrency`/],
    [{ into: { next: nothing }, retry: 3 }, 'INVALID_OPTION', /`into` with `retry`/],
  ];
  for (const [options, code, text] of wrong)
    it(`are refused: ${code} ${String(text)} ${JSON.stringify(options)}`, async () => {
      const { bus } = await createLived();
      const error = refusalOf(() => bus.replay(options as never));
      expect(error.code).to.equal(code);
      expect(error.message).to.match(text);
    });

  it('are refused where a window ends before it starts', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1, 2, 3]);
    const code = async (places: object) => (await rejectionOf(bus.replay({ into: nothing, ...places }).finished)).code;
    expect(await code({ from: 3, to: 1 })).to.equal('INVALID_QUERY');
    expect(await code({ from: new Date(9), to: new Date(5) })).to.equal('INVALID_QUERY');
    expect(await code({ from: { eventId: 'nobody' } })).to.equal('INVALID_PLACE');
  });

  it('are not the caller’s any more once they are given', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1, 2]);
    const { seen, into } = noting();
    const options: Record<string, unknown> = { into, from: 2 };
    const { finished } = bus.replay(options as never);
    options['from'] = 1;
    await finished;
    expect(seen).to.deep.equal([2]);
  });
});

async function withHole(): Promise<Lived & { readonly removal: RemovedRange }> {
  const lived = await createLived();
  await takeSteps(lived.bus, [1, 2, 3, 4, 5, 6]);
  const at = lived.clock.now();
  await lived.store.remove([{ from: 2, to: 4 }], 'too old');
  return { ...lived, removal: { from: 2, to: 4, reason: 'too old', at } };
}

describe('a replay of what was removed', () => {
  for (const [what, places, names] of [
    ['from a position', { from: 3 }, 'position 3 (`from`)'],
    ['to a position', { to: { position: 4 } }, 'position 4 (`to`)'],
    ['of nothing else', { after: 1, to: 4 }, 'position 4 (`to`)'],
    ['of a window that is gone', { after: 1, to: { checkpoint: 'c' } }, 'the whole of the window, positions 2 to 4'],
  ] as const)
    it(`says which positions are gone and since when: ${what}`, async () => {
      const { bus, store, removal } = await withHole();
      await store.putDocument('checkpoints', 'c', { position: 4 });
      const error = await rejectionOf(bus.replay({ ...places, into: nothing }).finished);
      expect(error.code).to.equal('EVENTS_REMOVED');
      const since = new Date(removal.at).toISOString();
      expect(error.message).to.equal(`cannot replay ${names}: positions 2 to 4 are gone since ${since} (too old)`);
      expect(error.details).to.deep.equal({ removed: [removal] });
      expect((await rejectionOf(bus.replay({ ...places, dryRun: true }).finished)).code).to.equal('EVENTS_REMOVED');
    });

  it('knows the id of a removed event', async () => {
    const { bus, store } = await createLived();
    const { event } = await bus.publish('step.taken', { n: 1 });
    await takeSteps(bus, [2]);
    await store.remove([{ from: 1, to: 1 }], 'spec');
    const error = await rejectionOf(bus.replay({ from: { eventId: event.id }, into: nothing }).finished);
    expect(error.message).to.match(/^cannot replay position 1 \(`from`\): position 1 is gone since .* \(spec\)$/);
  });

  it('is no error where the window is wider: the result lists the holes', async () => {
    const { bus, removal } = await withHole();
    const { seen, into } = noting();
    const result = await bus.replay({ into }).finished;
    expect(seen).to.deep.equal([1, 5, 6]);
    expect(result.removed).to.deep.equal([removal]);
    expect((await bus.replay({ into, from: 'earliest', to: 5 }).finished).removed.length).to.equal(1);
    expect((await bus.replay({ into, from: 5 }).finished).removed).to.deep.equal([]);
    expect((await bus.replay({ into, from: new Date(2), to: new Date(5) }).finished).delivered).to.equal(1);
  });
});

describe('a dry run', () => {
  it('counts by type, tells nobody, and says how long it would take', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1_000, 3_000, 2_000, 61_000]);
    await bus.publish('ball.thrown', {}, { time: 62_000 });
    const { seen, into } = noting();
    const options = { into, dryRun: true, speed: 2, maxGap: '5s' } as const;
    expect(await bus.replay(options).finished).to.deep.equal({
      events: 5,
      byType: [
        { type: 'step.taken', count: 4 },
        { type: 'ball.thrown', count: 1 },
      ],
      first: { position: 1, time: 1_000 },
      last: { position: 5, time: 62_000 },
      durationMs: 1_000 + 0 + 5_000 + 500,
      removed: [],
      cancelled: false,
      tookMs: 0,
    });
    expect(seen).to.deep.equal([]);
    const byTime = await bus.replay({ dryRun: true, order: 'time', direction: 'backward', speed: 'original' }).finished;
    expect(byTime).to.deep.include({ first: { position: 5, time: 62_000 }, last: { position: 1, time: 1_000 } });
    expect(byTime.durationMs).to.equal(61_000);
    expect((await bus.replay({ dryRun: true, pattern: 'no.such' }).finished).first).to.equal(undefined);
  });
});
