import { expect } from 'chai';
import { createLink } from '../../examples/team/link.ts';
import type { Link, Outcome } from '../../examples/team/link.ts';

const script = new URL('./fixtures/worker.js', import.meta.url);

const event = (id: string, payload: unknown = null) => ({
  id,
  type: 'file.found',
  source: 'spec',
  time: 0,
  correlationId: id,
  schemaVersion: 1,
  payload,
  metadata: {},
});

describe('the first link', function () {
  this.timeout(8_000);
  let link: Link;
  const open = (names: readonly string[], credits = 4): Link => (link = createLink({ script, names, credits }));
  const deliver = (payloads: readonly unknown[]): Promise<Outcome[]> =>
    Promise.all(payloads.map((payload, index) => link.deliver(event(`e${index}`, payload))));
  // Not closed: a test that failed may have left a worker that never ends.
  afterEach(() => link.stop());

  it('has every event handled once, by all workers together', async () => {
    open(['one', 'two']);
    const outcomes = await deliver(Array.from({ length: 100 }, () => 'fine'));
    expect(outcomes).to.have.length(100);
    expect(new Set(outcomes.map(({ worker }) => worker))).to.deep.equal(new Set(['one', 'two']));
    expect(outcomes.every(({ error }) => error === undefined)).to.equal(true);
  });

  it('tells a failure to its own caller only', async () => {
    open(['one']);
    const outcomes = await deliver(['fine', 'fail', 'fine']);
    expect(outcomes.map(({ error }) => error?.message)).to.deep.equal([undefined, 'no good', undefined]);
    expect(link.deaths).to.equal(0);
  });

  for (const [how, reason] of [
    ['exit', 'exit code 3'],
    ['throw', 'the worker broke'],
  ] as const)
    it(`fails only the event that kills its worker by ${how} twice, and hands the rest to another`, async () => {
      open(['one', 'two']);
      const payloads = Array.from({ length: 40 }, (_, index) => (index === 5 ? how : 'fine'));
      const outcomes = await deliver(payloads);
      const failed = outcomes.flatMap(({ error }, index) => (error ? [{ index, ...error }] : []));
      expect(failed.map(({ index, code }) => [index, code])).to.deep.equal([[5, 'WORKER_DIED']]);
      expect(failed[0]!.message).to.contain(reason);
      expect(link.deaths).to.equal(2);
    });

  it('does not let several that kill take others with them', async () => {
    open(['one', 'two']);
    const payloads = Array.from({ length: 40 }, (_, index) => (index % 8 === 5 ? 'exit' : 'fine'));
    const outcomes = await deliver(payloads);
    const failed = outcomes.flatMap(({ error }, index) => (error ? [index] : []));
    expect(failed).to.deep.equal([5, 13, 21, 29, 37]);
  });

  it('lets its workers finish before it closes', async () => {
    open(['one']);
    const delivered = deliver(['fine', 'fine', 'fine']);
    await new Promise((resolve) => setImmediate(resolve));
    await link.close();
    expect((await delivered).map(({ error }) => error)).to.deep.equal([undefined, undefined, undefined]);
  });

  it('fails everything instead of waiting for ever where no worker can start', async () => {
    link = createLink({ script: new URL('./fixtures/missing.js', import.meta.url), names: ['one'], credits: 2 });
    const outcomes = await deliver(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
    expect(outcomes.every(({ error }) => error?.code === 'WORKER_DIED')).to.equal(true);
    const late = await link.deliver(event('late'));
    expect(late.error?.message).to.contain('no worker left');
  });
});
