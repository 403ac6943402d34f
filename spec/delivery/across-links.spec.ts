import { expect } from 'chai';
import type { Bus, Consumer } from '../../lib/index.ts';
import { rest, startTeam, type Team } from '../link/team.ts';
import { rejectionOf } from '../support/rejection-of.ts';

const KEYS = 50;
const options = { key: 'entity', group: true } as const;

async function fill(bus: Bus, count: number): Promise<void> {
  const batch = bus.batch();
  for (let n = 0; n < count; n++) batch.add('a', n, { entity: `n/${n % KEYS}` });
  await batch.commit();
}

describe('a group of consumers in a parent and its workers', () => {
  let team: Team;
  afterEach(() => team.close());

  it('divides the partitions whoever comes first, and handles each event once', async () => {
    const seen: string[] = [];
    const handler = (who: string) => async (event: { payload: unknown }) => {
      await rest();
      seen.push(`${who} ${String(event.payload)}`);
    };
    let theirs: Consumer | undefined;
    team = await startTeam((bus) => {
      theirs = bus.consume('g', 'a', handler('worker'), options);
    });
    await team.pool.ready;
    await theirs!.started;
    const ours = team.bus.consume('g', 'a', handler('parent'), options);
    await ours.started;
    for (let i = 0; i < 8; i++) await team.clock.advance(1_000).then(rest);
    expect([ours.partitions.length, theirs!.partitions.length, ours.members]).to.deep.equal([32, 32, 2]);
    await fill(team.bus, 300);
    for (let i = 0; i < 30; i++) await team.clock.advance(1_000).then(rest);
    expect(seen.length).to.equal(300);
    expect(new Set(seen.map((text) => text.split(' ')[1])).size).to.equal(300);
    expect(new Set(seen.map((text) => text.split(' ')[0])).size).to.equal(2);
    expect((await team.bus.consumers.list())[0]).to.include({ members: 2, position: 300 });
  });

  it('keeps what the parent has while it has nothing to do, and takes what a dead worker had', async () => {
    let theirs: Consumer | undefined;
    team = await startTeam((bus) => {
      theirs ??= bus.consume('g', 'a', () => undefined, options);
    });
    await team.pool.ready;
    const ours = team.bus.consume('g', 'a', () => undefined, options);
    for (let i = 0; i < 60; i++) await team.clock.advance(1_000).then(rest);
    expect([ours.partitions.length, theirs!.partitions.length]).to.deep.equal([32, 32]);
    team.kill();
    for (let i = 0; i < 20; i++) await team.clock.advance(1_000).then(rest);
    expect(ours.partitions.length).to.equal(64);
  });

  it('refuses a member that reads something else while the other lives', async () => {
    let theirs: Consumer | undefined;
    team = await startTeam((bus) => {
      theirs = bus.consume('g', 'a', () => undefined, options);
    });
    await team.pool.ready;
    await theirs!.started;
    const other = team.bus.consume('g', 'b', () => undefined, options);
    expect(await rejectionOf(other.started)).to.include({ code: 'INVALID_OPTION' });
    expect(theirs!.status).to.equal('running');
  });
});
