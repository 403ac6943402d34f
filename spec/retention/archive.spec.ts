import { expect } from 'chai';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock } from '../../lib/clock.ts';
import { TelltaleError } from '../../lib/errors.ts';
import type { Sink } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { openLog, positionsOf } from './log.ts';

const RULES = [{ match: 'task.*', keepCount: 0 }];
const EVENTS = [{ type: 'task.done' }, { type: 'task.done' }];
const never = new Promise<never>(() => undefined);

const archiveWith = (own: Partial<Sink>): Sink => ({
  name: 'bucket',
  open: async () => undefined,
  write: async () => undefined,
  close: async () => undefined,
  ...own,
});

describe('the archive of retention', () => {
  for (const step of ['open', 'write'] as const)
    it(`fails with a code, its name and the cause, in \`${step}\``, async () => {
      const cause = new Error('bucket gone');
      const archive = archiveWith({ [step]: () => Promise.reject(cause) });
      const { retention, store } = await openLog(EVENTS, { rules: RULES, archive });
      const error = await rejectionOf(retention.enforce());
      expect(error).to.be.instanceOf(TelltaleError).with.property('code', 'STORE_UNAVAILABLE');
      expect(error.message).to.match(/archive bucket .*bucket gone/);
      expect(error.cause).to.equal(cause);
      expect(await positionsOf(store)).to.have.length(2);
    });

  it('keeps the code of an error that has one', async () => {
    const archive = archiveWith({ write: () => Promise.reject(new TelltaleError('STORE_FAILED', 'for good')) });
    const { retention } = await openLog(EVENTS, { rules: RULES, archive });
    const error = await rejectionOf(retention.enforce());
    expect([error.code, error.message]).to.deep.equal([
      'STORE_FAILED',
      'archive bucket did not take events 1 to 2, which stay: for good',
    ]);
  });

  for (const step of ['open', 'write'] as const)
    it(`is waited for half a minute in \`${step}\`, and what it has not got stays`, async () => {
      const clock = createVirtualClock();
      const archive = archiveWith({ [step]: () => never });
      const bus = await createBus({ store: memory(), clock, retention: { rules: RULES, archive } });
      await bus.publish('task.done', 1);
      const enforced = rejectionOf(bus.retention.enforce());
      for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(30_000);
      const error = await enforced;
      expect(error.code).to.equal('STORE_UNAVAILABLE');
      expect(error.message).to.match(/archive bucket .*30 s/);
      expect(await bus.count()).to.equal(1);
      const closed = bus.close();
      for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(30_000);
      await closed;
    });

  for (const [what, close] of [
    ['did not close', () => never],
    ['did not take events 1 to 1', async () => undefined],
  ] as const)
    it(`is waited for three seconds when the bus closes, which says that it ${what}`, async () => {
      const archive = archiveWith({ write: () => never, close });
      const clock = createVirtualClock();
      const store = memory();
      const bus = await createBus({ store, clock, retention: { rules: RULES, archive } });
      await bus.publish('task.done', 1);
      const enforced = rejectionOf(bus.retention.enforce());
      for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
      const closed = rejectionOf(Promise.resolve(bus.close()));
      for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(3_000);
      expect((await enforced).message).to.match(
        /archive bucket did not take events 1 to 1, which stay: the bus closes/,
      );
      expect((await closed).message).to.match(new RegExp(`archive bucket ${what}.* within 3 s`));
    });
});
