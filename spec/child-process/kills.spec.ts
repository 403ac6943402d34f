import { expect } from 'chai';
import { createHurriedClock, UNRESPONSIVE } from '../support/hurried-clock.ts';
import { killWhileHandling, killWhileSending } from './kill-run.ts';
import { endAll, startPool } from './pool.ts';

/** How many events of a thousand have been seen when the process is killed; thousands of others in `npm run torture`. */
const POINTS = [1, 700];

describe('a child process that is killed in the middle', function () {
  this.timeout(60_000);
  afterEach(endAll);

  it('loses nothing that it has acknowledged; the rest is handled again, in a process that is started for it', () =>
    killWhileHandling(POINTS));

  it('has stored what was acknowledged to it, once, however often it is sent again', () => killWhileSending(POINTS));

  it('by one and the same event twice is not handed it again, and the rest goes on', async () => {
    const { bus, pool, ofType } = await startPool({ restart: { delay: 1, limit: 2 } });
    await pool.ready;
    const first = bus.emit('die', 'error');
    await bus.settled();
    bus.emit('job.asked', { n: 1 });
    await bus.settled();
    expect(ofType('job.done')).to.have.length(1);
    // The third death within a minute is one too many.
    const second = bus.emit('die', 'exit');
    await bus.settled();
    const third = bus.emit('job.asked', { n: 2 });
    await bus.settled();
    await bus.flush();
    const letters = (await bus.deadLetters.list()).toReversed();
    expect(letters.map(({ eventId }) => eventId)).to.deep.equal([first.id, second.id, third.id]);
    expect(letters.map(({ error }) => error.code)).to.deep.equal(Array(3).fill('WORKER_FAILED'));
    expect(letters[0]!.error.message).to.include('2 workers that died').and.to.include('enough');
    expect(letters[1]!.error.message).to.include('given up').and.to.include('ended with code 7');
    expect(bus.health().notices.join()).to.include('given up');
    expect(pool.workers()[0]).to.deep.include({ status: 'failed', restarts: 2 });
  });

  it('because it does not respond, or sends what is no frame, is started again', async () => {
    const clock = createHurriedClock();
    const { bus, pool, ofType, until } = await startPool({
      options: { clock },
      restart: { delay: 1 },
      unresponsive: UNRESPONSIVE,
    });
    await pool.ready;
    bus.on('child.stands', () => clock.hurry());
    bus.emit('die', 'babble');
    await until(() => ofType('$worker.died').length === 2);
    bus.emit('job.asked', { n: 1 });
    bus.emit('die', 'loop');
    await until(() => ofType('job.done').length === 1 && ofType('$worker.died').length > 2);
    const said = ofType('$worker.died').map(({ payload }) => (payload as { message: string }).message);
    expect(said[0]).to.include('no frame of a telltale link');
    expect(said[2]).to.include('did not respond');
  });
});
