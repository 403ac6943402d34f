import { expect } from 'chai';
import { expectBalanced } from '../support/balance.ts';
import { rest, startTeam, type Script, type Team } from './team.ts';

const MIB = 1024 * 1024;
/** What may be on its way, and one event more that finds a byte of it left. */
const CREDITS = 16 + 1;
const BIG = 'x'.repeat(MIB);

/** A script whose handlers of `a` end when they are let go, in order. */
function holding(): { readonly open: (() => void)[]; readonly script: Script } {
  const open: (() => void)[] = [];
  const handler = (): Promise<void> => new Promise((resolve) => open.push(resolve));
  return { open, script: (bus) => bus.on('a', handler, { concurrency: 1_000 }) };
}

/** Rests until that changes nothing any more: how much a turn has time for is the machine's affair. */
async function untilStill(figures: () => unknown): Promise<void> {
  let before: string;
  do {
    before = JSON.stringify(figures());
    await rest();
  } while (JSON.stringify(figures()) !== before);
}

describe('a link, big events', () => {
  let team: Team;
  afterEach(() => team.close());

  it('has no more bytes on the way to a worker than it has credits for, and keeps a bounded number for it', async () => {
    const { open, script } = holding();
    team = await startTeam(script);
    await team.pool.ready;
    // Transient: the backlog of the store does not bound them.
    for (let n = 0; n < 100; n++) team.bus.emit('a', BIG, { transient: true });
    await untilStill(() => [open.length, team.bus.metrics().subscriptions]);
    expect(open).to.have.length.within(10, CREDITS);
    const [figures] = team.bus.metrics().subscriptions;
    // As much again waits for the next credits, then comes the mailbox.
    expect(figures!.running).to.be.within(20, 2 * CREDITS);
    expect(figures!.queued).to.be.within(10, CREDITS);
    expect(figures!.dropped).to.equal(100 - figures!.running - figures!.queued);
    expectBalanced(figures!);
    for (let done = 0; done < open.length; done++) {
      open[done]!();
      await untilStill(() => open.length);
      expect(team.pool.workers()[0]!.inFlight).to.be.at.most(CREDITS);
    }
    await team.bus.settled();
    expect(team.bus.metrics().subscriptions[0]).to.deep.include({ handled: open.length, running: 0, queued: 0 });
  });

  it('takes one that is larger than all credits, by itself', async () => {
    const heard: number[] = [];
    team = await startTeam((bus) => bus.on('a', ({ payload }) => void heard.push((payload as string).length)), {
      bus: { store: undefined, maxEventBytes: 40 * MIB } as never,
    });
    await team.pool.ready;
    for (const mib of [20, 1, 20]) team.bus.emit('a', BIG.repeat(mib));
    await team.bus.settled();
    expect(heard).to.deep.equal([20 * MIB, MIB, 20 * MIB]);
  });

  it('has their bytes counted in the mailboxes of a worker', async () => {
    const open: (() => void)[] = [];
    team = await startTeam((bus) => bus.on('a', () => new Promise<void>((resolve) => open.push(resolve))));
    await team.pool.ready;
    for (let n = 0; n < 5; n++) team.bus.emit('a', BIG);
    await untilStill(() => team.worker().metrics().subscriptions);
    const [figures] = team.worker().metrics().subscriptions;
    expect(figures).to.deep.include({ running: 1, queued: 4 });
    expect(figures!.queuedBytes).to.be.within(4 * MIB, 4 * MIB + 4_096);
    while (open.length > 0) {
      open.shift()!();
      await untilStill(() => team.worker().metrics().subscriptions);
    }
  });

  it('from a worker wait there until the parent has taken those before', async () => {
    team = await startTeam(() => undefined);
    await team.pool.ready;
    const end = team.end();
    end.manual = true;
    for (let n = 0; n < 50; n++) team.worker().emit('a', BIG);
    await untilStill(() => end.arriving.length);
    const underWay = (end.arriving as readonly string[]).reduce((sum, frame) => sum + frame.length, 0);
    expect(underWay / MIB).to.be.within(10, CREDITS);
    end.manual = false;
    while (end.deliver());
    await team.worker().flush();
    expect(await team.bus.count()).to.equal(50);
  });

  it('that are transient wait in a worker up to a limit, are lost behind it, and counted', async () => {
    team = await startTeam(() => undefined);
    await team.pool.ready;
    const heard: number[] = [];
    team.bus.on('a', ({ payload }) => void heard.push((payload as string).length));
    for (let n = 0; n < 100; n++) team.worker().emit('a', BIG, { transient: true });
    await untilStill(() => heard.length);
    expect(heard.length).to.be.within(20, 2 * CREDITS);
    expect(team.worker().metrics()).to.deep.include({ transientDropped: { a: 100 - heard.length } });
  });
});
