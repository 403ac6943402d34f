import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock } from '../../lib/clock.ts';
import { letters, type LettersOptions } from '../../plugins/cli/letters.ts';
import { Problem } from '../../plugins/cli/problem.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { letterTable } from '../../plugins/cli/render/letters.ts';
import { printed } from '../support/printed.ts';

describe('telltale letters', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(quickFolder(), 'telltale-letters-'));
    const bus = await createBus({ store: jsonFile(folder), clock: createVirtualClock() });
    bus.on('$bus.**', () => undefined);
    bus.on('order.*', ({ payload }) => {
      if (payload !== 3) throw Object.assign(new Error(`no stock for ${String(payload)}`), { code: 'E_STOCK' });
    });
    for (const payload of [1, 2]) bus.emit('order.placed', payload);
    expect(() => bus.emit('order.paid', { amount: NaN })).to.throw();
    await bus.flush();
    await bus.deadLetters.retry({ recipient: 'order.*' }, { limit: 1 });
    await bus.close();
  });
  afterEach(() => rm(folder, { recursive: true }));

  const lines = async (id?: string, options: LettersOptions = {}): Promise<readonly string[]> => {
    const text = await printed(async () => expect(await letters(folder, id, options)).to.equal(0));
    if (!options.json) expect(text.filter((line) => line.length > 80 && !line.includes(folder))).to.deep.equal([]);
    return text;
  };
  const list = async (options: LettersOptions = {}): Promise<{ id: string; eventType: string; state: string }[]> =>
    (await lines(undefined, { ...options, json: true })).map((line) => JSON.parse(line) as never);
  const problemOf = async (id: string | undefined, options: LettersOptions): Promise<string> => {
    const error: unknown = await letters(folder, id, options).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(Problem);
    return (error as Problem).message;
  };

  it('shows the open letters as a table, newest first', async () => {
    const text = (await lines()).join('\n');
    expect(text).to.match(/id +UTC +reason +type +for +tries +error/);
    expect(text).to.match(/refused +order\.paid +– +0 +PAYLOAD_BAD/);
    expect(text).to.match(/handler-failed +order\.placed +order\.\* +1 +E_STOCK: no/);
    expect(text).to.match(/handler-failed +order\.placed +order\.\* +2 +E_STOCK: no/);
    expect(text).to.include('3 open dead letters');
  });

  it('selects by state and reason, at most so many', async () => {
    expect(await list({ reason: 'refused' })).to.have.length(1);
    expect(await list({ state: 'closed' })).to.deep.equal([]);
    expect(await list({ limit: '2' })).to.have.length(2);
    expect((await lines(undefined, { limit: '1' })).join('\n')).to.include('1 open dead letter, and more');
  });

  it('shows one letter whole, and how it is tried again', async () => {
    const first = (await list()).findLast(({ eventType }) => eventType === 'order.placed');
    const text = (await lines(first!.id)).join('\n');
    for (const part of [
      'order.placed: open',
      'reason       handler-failed',
      '(position 1)',
      'attempts     1 before, 1 since',
      'Error: no stock for 1 (E_STOCK)',
      'retried (retry 1): no stock for 1',
      `await bus.deadLetters.retry('${first!.id}')`,
    ])
      expect(text).to.include(part);
    expect(await problemOf(first!.id.slice(0, -1), {}))
      .to.include('did you mean')
      .and.include(first!.id);
  });

  it('names each by an end of its id that fits only one, and takes that', async () => {
    const ids = (await list()).map(({ id }) => id);
    const ends = (await lines()).slice(1, 4).map((line) => line.trim().split(' ')[0]!);
    expect(new Set(ends).size).to.equal(3);
    for (const [i, end] of ends.entries()) {
      expect(ids[i]!.endsWith(end)).to.equal(true);
      expect((await lines(end)).join('\n')).to.match(new RegExp(`letter +${ids[i]!}`));
    }
    expect(await lines(ends[0], { discard: true })).to.deep.equal([`discarded ${ids[0]!} (order.placed)`]);
  });

  it('fits into a narrow terminal, whatever the letters hold', () => {
    const time = Date.UTC(2026, 0, 1);
    const long = 'a.very-long.type.of-events.that.nobody-wants';
    for (const days of [1, 2]) {
      const about = { reason: 'handler-failed', state: 'open', eventType: long, recipient: long, attempts: 10 };
      const found = [0, 1].map((i) => ({
        ...about,
        id: `01234567-89ab-7def-8123-456789abcde${i}`,
        time: time + i * (days - 1) * 86_400_000,
        retries: 0,
        history: [],
        error: { name: 'Error', message: long },
      }));
      const table = letterTable({ width: 80, colour: false }, found as never);
      if (days === 2) expect(table[1]).to.include('01-01 00:00');
      for (const line of table) expect(line.length).to.be.at.most(80);
    }
  });

  it('discards a letter with a reason, once', async () => {
    const newest = (await list()).find(({ eventType }) => eventType === 'order.paid');
    expect(await lines(newest!.id, { discard: true, because: 'a test order' })).to.deep.equal([
      `discarded ${newest!.id} (order.paid)`,
    ]);
    expect(await list()).to.have.length(2);
    expect((await lines(newest!.id)).join('\n')).to.include('discarded: a test order');
    expect(await problemOf(newest!.id, { discard: true })).to.include('is discarded already');
  });

  it('says what is wrong in one line', async () => {
    expect(await problemOf('none', {}))
      .to.include('no dead letter in')
      .and.include('has the id none');
    expect(await problemOf(undefined, { discard: true })).to.include('needs the id');
    expect(await problemOf(undefined, { because: 'x' })).to.include('goes with --discard');
    expect(await problemOf(undefined, { limit: '0' })).to.include('--limit is an integer from 1');
  });
});
