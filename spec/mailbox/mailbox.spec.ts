import { expect } from 'chai';
import fc from 'fast-check';
import { Fifo } from '../../lib/mailbox/fifo.ts';
import { createKeyedMailbox } from '../../lib/mailbox/keyed-mailbox.ts';
import type { Mailbox } from '../../lib/mailbox/mailbox.ts';
import { offer, type MailboxLimits } from '../../lib/mailbox/overflow.ts';
import { createPlainMailbox } from '../../lib/mailbox/plain-mailbox.ts';
import { collectGarbage } from '../support/garbage.ts';
import { turn } from '../support/turns.ts';

interface Item {
  readonly number: number;
  readonly key: string;
  readonly bytes: number;
}

const limits = (overflow: MailboxLimits['overflow'], max = 3): MailboxLimits => ({
  max,
  maxBytes: 1_000_000,
  overflow,
});

describe('Fifo', () => {
  it('behaves as an array does, through growth and sweeps', () => {
    const step = fc.oneof(fc.constant('push'), fc.constant('shift'), fc.constant('retain'));
    const rounds = fc.record({ step, times: fc.integer({ min: 1, max: 3_000 }) });
    fc.assert(
      fc.property(fc.array(rounds, { maxLength: 12, size: 'max' }), (list) => {
        const fifo = new Fifo<number>();
        let model: number[] = [];
        let next = 0;
        for (const { step: what, times } of list) {
          const came: unknown[] = [];
          for (let i = what === 'retain' ? times : 0; i < times; i++) {
            if (what === 'push') {
              fifo.push(next);
              model.push(next++);
            } else came.push(fifo.shift());
          }
          // As text, which compares thousands at once; a place with nothing in it is empty there too.
          if (what === 'shift') {
            expect(String(came)).to.equal(String(Array.from(came, (_, i) => model[i])));
            model = model.slice(times);
          }
          if (what === 'retain') {
            fifo.retain((one) => one % times !== 0);
            model = model.filter((one) => one % times !== 0);
          }
          expect([fifo.length, fifo.peek()]).to.deep.equal([model.length, model[0]]);
          expect(String([...fifo])).to.equal(String(model));
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('a mailbox', () => {
  const command = fc.oneof(
    fc.record({ do: fc.constant('arrive' as const), key: fc.constantFrom('', 'x', 'y', 'z'), bytes: fc.nat(100) }),
    fc.record({ do: fc.constant('take' as const) }),
    fc.record({ do: fc.constant('release' as const), pick: fc.nat() }),
    fc.record({ do: fc.constant('evict' as const) }),
    fc.record({ do: fc.constant('evictKey' as const), key: fc.constantFrom('', 'x', 'y', 'z') }),
    fc.record({ do: fc.constant('clear' as const) }),
  );

  it('with lanes keeps to a list of what waits and a set of busy keys', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 100, size: 'max' }), (commands) => {
        const mailbox = createKeyedMailbox<Item>({ evicts: true });
        let waiting: Item[] = [];
        const busy = new Set<string>();
        for (const [number, one] of commands.entries()) {
          if (one.do === 'arrive') {
            const free = !busy.has(one.key) && waiting.every(({ key }) => key !== one.key);
            expect(mailbox.isFree(one.key)).to.equal(free);
            expect(mailbox.acquire(one.key)).to.equal(free);
            if (free) busy.add(one.key);
            else {
              const item = { ...one, number };
              mailbox.push(item, one.bytes, one.key);
              waiting.push(item);
            }
          } else if (one.do === 'take') {
            const taken = mailbox.take();
            const ready = waiting.filter(({ key }) => !busy.has(key));
            expect(taken === undefined).to.equal(ready.length === 0);
            if (taken) {
              expect(taken.item).to.equal(ready.find(({ key }) => key === taken.key));
              busy.add(taken.key!);
              waiting = waiting.filter((item) => item !== taken.item);
            }
          } else if (one.do === 'release') {
            const key = [...busy][one.pick % (busy.size || 1)];
            if (key === undefined) continue;
            mailbox.release(key);
            busy.delete(key);
          } else if (one.do === 'evict') expect(mailbox.evict()).to.equal(waiting.shift());
          else if (one.do === 'evictKey') {
            expect(mailbox.evictKey(one.key)).to.deep.equal(waiting.filter(({ key }) => key === one.key));
            waiting = waiting.filter(({ key }) => key !== one.key);
          } else {
            expect(mailbox.clear()).to.have.members(waiting);
            waiting = [];
          }
          expect(mailbox.length).to.equal(waiting.length);
          expect(mailbox.bytes).to.equal(waiting.reduce((sum, { bytes }) => sum + bytes, 0));
          for (const key of ['', 'x'])
            expect(mailbox.hasBehind(key)).to.equal(waiting.some((item) => item.key === key));
        }
      }),
    );
  });

  it('without lanes is a queue', () => {
    const mailbox = createPlainMailbox<string>();
    expect([mailbox.acquire(undefined), mailbox.isFree(undefined)]).to.deep.equal([true, true]);
    for (const item of ['a', 'b', 'c', 'd']) mailbox.push(item, 10, undefined);
    expect([mailbox.length, mailbox.bytes, mailbox.acquire(undefined)]).to.deep.equal([4, 40, false]);
    expect(mailbox.take()?.item).to.equal('a');
    expect(mailbox.evict()).to.equal('b');
    expect(mailbox.clear()).to.deep.equal(['c', 'd']);
    expect([mailbox.length, mailbox.bytes, mailbox.take(), mailbox.evict()]).to.deep.equal([
      0,
      0,
      undefined,
      undefined,
    ]);
  });
});

describe('what a full mailbox keeps hold of', () => {
  it('is nothing of the items that had to go or were taken', async () => {
    const mailbox = createKeyedMailbox<object>({ evicts: true });
    const gone: WeakRef<object>[] = [];
    for (let i = 0; i < 2_000; i++) {
      const item = { i };
      if (i < 1_900) gone.push(new WeakRef(item));
      offer(mailbox, limits('drop-oldest', 500), item, 1, `key ${i % 700}`);
      if (i % 5 === 0) mailbox.release(mailbox.take()?.key);
    }
    while (mailbox.length > 50) mailbox.release(mailbox.take()!.key);
    await turn();
    collectGarbage();
    const kept = gone.filter((reference) => reference.deref() !== undefined);
    expect(kept).to.have.length.at.most(mailbox.length);
  });

  for (const [policy, keyOf] of [
    ['drop-oldest', (i: number) => `key ${i}`],
    ['latest-by-key', (i: number) => `key ${i % 2}`],
  ] as const) {
    it(`does not grow with the number of items that came and went (${policy})`, () => {
      const mailbox: Mailbox<object> = createKeyedMailbox({ evicts: policy === 'drop-oldest' });
      const item = {};
      const pass = (from: number, count: number): number => {
        for (let i = from; i < from + count; i++) offer(mailbox, limits(policy, 10), item, 1, keyOf(i));
        collectGarbage();
        return process.memoryUsage().heapUsed;
      };
      const before = pass(0, 20_000);
      expect(pass(20_000, 300_000) - before).to.be.lessThan(1_000_000);
    });
  }

  it('does not grow while every item is taken and none has to go', () => {
    const mailbox: Mailbox<object> = createKeyedMailbox({ evicts: true });
    const item = {};
    const pass = (count: number): number => {
      for (let i = 0; i < count; i++) {
        offer(mailbox, limits('drop-oldest', 10), item, 1, `key ${i}`);
        mailbox.release(mailbox.take()!.key);
      }
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const before = pass(20_000);
    expect(pass(300_000) - before).to.be.lessThan(1_000_000);
  });
});
