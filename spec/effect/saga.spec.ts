import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import type { Bus } from '../../lib/api.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { root } from '../support/root.ts';
import { turn } from '../support/turns.ts';

type Step = 'reserve' | 'pay' | 'ship' | 'refund' | 'release' | 'afterPayment';
type World = Readonly<Record<Step, (order: unknown) => unknown>>;

const { runSagas } = (await import(pathToFileURL(join(root, 'examples/19-saga/saga.mjs')).href)) as {
  readonly runSagas: (bus: Bus, world: World) => unknown;
};

const ENDS = ['order.shipped', 'order.cancelled'];

interface Outside {
  /** How long each step takes, in ms. */
  readonly takes?: Partial<Record<Step, number>>;
  readonly isThere?: boolean;
  readonly pays?: boolean;
  /** The power fails at this call, before what is outside has happened or behind it. */
  readonly dies?: { readonly at: Step; readonly when: 'before' | 'behind' };
}

/** What an order has come to, and what was done outside: each of it once for an order, as its key says. */
async function carryOut({ takes = {}, isThere = true, pays = true, dies }: Outside) {
  const store = memory();
  const done = new Set<string>();
  const log: string[] = [];
  let isDead = false;
  let { bus, clock } = await createTestBus({ store, closeTimeout: 10 });
  const call = (step: Step, answer?: boolean) => async () => {
    const dead = new Promise<never>(() => undefined);
    if (dies?.at === step && dies.when === 'before' && !isDead) return ((isDead = true), dead);
    const ms = takes[step] ?? 0;
    if (ms > 0) await new Promise<void>((resolve) => void clock.wait(ms, resolve));
    if (answer !== false && step !== 'afterPayment' && !done.has(step)) log.push(step);
    done.add(step);
    if (dies?.at === step && dies.when === 'behind' && !isDead) return ((isDead = true), dead);
    return answer;
  };
  const world: World = {
    reserve: call('reserve', isThere),
    pay: call('pay', pays),
    ship: call('ship'),
    refund: call('refund'),
    release: call('release'),
    afterPayment: call('afterPayment'),
  };
  runSagas(bus, world);
  await bus.publish('order.placed', { patience: 50 }, { entity: 'order/1' });
  const pass = async (): Promise<void> => {
    for (let i = 0; i < 60; i++) {
      await turn();
      await clock.advance(10);
    }
  };
  await pass();
  if (isDead) {
    const closed = bus.close();
    await pass();
    await closed;
    ({ bus, clock } = await createTestBus({ store, closeTimeout: 10 }));
    runSagas(bus, world);
    await pass();
  }
  const { events } = await bus.query({ entity: 'order/1' });
  const open = await bus.schedules.list();
  await bus.close();
  return { log, died: isDead, types: events.map(({ type }) => type), open: open.length };
}

describe('the saga of the examples', () => {
  it('ships what is paid, and nothing happens behind that', async () => {
    const { log, types, open } = await carryOut({});
    expect(log).to.deep.equal(['reserve', 'pay', 'ship']);
    expect(types).to.deep.equal(['order.placed', 'order.reserved', 'order.paid', 'order.shipped']);
    expect(open).to.equal(0);
  });

  it('gives back what is paid too late, and does not ship', async () => {
    const { log, types } = await carryOut({ takes: { pay: 200 } });
    expect(log).to.deep.equal(['reserve', 'pay', 'refund', 'release']);
    expect(types.filter((type) => ENDS.includes(type))).to.deep.equal(['order.cancelled']);
  });

  it('releases once where payment is refused too late', async () => {
    const { log, types } = await carryOut({ takes: { pay: 200 }, pays: false });
    expect(log).to.deep.equal(['reserve', 'release']);
    expect(types.filter((type) => ENDS.includes(type))).to.deep.equal(['order.cancelled']);
  });

  it('lets a parcel go that is on its way when patience ends', async () => {
    const { log, types } = await carryOut({ takes: { ship: 200 } });
    expect(log).to.deep.equal(['reserve', 'pay', 'ship']);
    expect(types.filter((type) => ENDS.includes(type))).to.deep.equal(['order.shipped']);
  });

  it('releases what is there too late, and asks for no money', async () => {
    const { log, types } = await carryOut({ takes: { reserve: 200 } });
    expect(log).to.deep.equal(['reserve', 'release']);
    expect(types.filter((type) => ENDS.includes(type))).to.deep.equal(['order.cancelled']);
  });

  it('releases nothing that was never there', async () => {
    const { log, types } = await carryOut({ isThere: false });
    expect(log).to.deep.equal([]);
    expect(types).to.deep.equal(['order.placed', 'order.overdue', 'order.cancelled']);
  });

  for (const at of ['reserve', 'pay', 'afterPayment', 'ship', 'refund', 'release'] as const)
    for (const when of ['before', 'behind'] as const)
      it(`comes to one end where the power fails ${when} ${at}`, async () => {
        for (const pays of [true, false])
          for (const takes of [{}, { pay: 200 }, { ship: 200 }, { reserve: 200 }]) {
            const { log, types, open } = await carryOut({ dies: { at, when }, pays, takes });
            const ends = types.filter((type) => ENDS.includes(type));
            expect(ends, types.join(' ')).to.have.length(1);
            const goods = ends[0] === 'order.shipped' ? ['ship'] : ['release'];
            expect(log.filter((step) => step === 'ship' || step === 'release')).to.deep.equal(goods);
            const isCancelled = ends[0] === 'order.cancelled';
            expect(log.includes('refund')).to.equal(isCancelled && log.includes('pay'));
            expect(new Set(log).size).to.equal(log.length);
            expect(open).to.equal(0);
          }
      });
});
