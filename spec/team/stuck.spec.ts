import { renameSync, rmdirSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { createBus, jsonFile, memory } from 'telltale';
import type { Store } from 'telltale/plugin';
import { audit, startTeam, teamEvents } from '../../examples/team/index.ts';
import type { Team, TeamBus } from '../../examples/team/index.ts';
import { unlessStuck } from '../../examples/team/unless-stuck.ts';
import { makeFiles } from './files.ts';
import type { Files } from './files.ts';

const FILES = 100;

const full = async (): Promise<never> => {
  throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
};

/** Lets the store fail of a full disk whenever it is to carry `step` out; returns the undo. */
function fill(store: Store, step: '_append' | '_putDocument'): () => void {
  Reflect.set(store, step, full);
  return () => void Reflect.deleteProperty(store, step);
}

/** What a promise rejects with; fails where it does not. */
const rejection = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => expect.fail('it ended well'),
    (error: Error) => error,
  );

describe('the team whose disk is full', function () {
  this.timeout(60_000);
  let files: Files;
  let store: Store;
  let bus: TeamBus;
  let controller: AbortController;
  beforeEach(async () => {
    files = await makeFiles(FILES);
    store = jsonFile(files.log);
    bus = await createBus({ source: 'team', store, events: teamEvents, closeTimeout: '1s' });
    controller = new AbortController();
  });
  afterEach(async () => {
    // One that is stuck says again what is not stored.
    await bus.close().catch(() => undefined);
    await files.remove();
  });

  const start = (): Promise<Team> => {
    const { root, log } = files;
    const skip = { skipNames: new Set<string>(), skipPaths: new Set<string>() };
    return startTeam(bus, { root, log, readers: 2, ...skip, signal: controller.signal });
  };
  const mustBeWhole = async (team: Team): Promise<void> => {
    const { report } = await team.run();
    const found = await audit(bus, report);
    expect(found).to.deep.include({ files: FILES, lost: [], twice: [], identical: true });
  };

  it('goes on when there is room again', async () => {
    const team = await start();
    let empty: (() => void) | undefined;
    bus.on('file.parsed', () => (empty ??= fill(store, '_append')));
    bus.on('$bus.store.failed', () => empty!());
    await mustBeWhole(team);
    expect(empty).to.be.a('function');
  });

  it('rejects with the reason when it is told to stop', async () => {
    const team = await start();
    let empty: (() => void) | undefined;
    bus.on('file.parsed', () => (empty ??= fill(store, '_append')));
    bus.on('$bus.store.failed', () => controller.abort());
    expect((await rejection(team.run())).message)
      .to.contain('events are not stored')
      .and.contain('ENOSPC');
  });

  it('rejects also where it has not begun yet', async () => {
    fill(store, '_putDocument');
    bus.on('$bus.store.failed', () => controller.abort());
    expect((await rejection(start())).message).to.contain('ENOSPC');
  });

  it('keeps the report as soon as its file can be written again', async () => {
    const team = await start();
    const file = join(files.log, 'report.json');
    let paused = 0;
    bus.on('$bus.consumer.paused', () => {
      if (++paused > 1) return;
      // In one step, so that nothing is written in between, which the old one would replace.
      rmdirSync(file);
      renameSync(`${file}.aside`, file);
    });
    await rename(file, `${file}.aside`);
    await mkdir(file);
    await mustBeWhole(team);
    expect(paused).to.be.at.least(1);
  });
});

describe('whoever waits for a team that may be stuck', () => {
  const never = new Promise<never>(() => undefined);
  let bus: TeamBus;
  let store: Store;
  beforeEach(async () => {
    store = memory();
    bus = await createBus({ store, events: teamEvents, closeTimeout: 100 });
  });
  afterEach(() => bus.close().catch(() => undefined));

  it('has no limit where nothing stands in the way', async () => {
    const controller = new AbortController();
    let end!: (text: string) => void;
    const work = new Promise<string>((resolve) => (end = resolve));
    const waiting = unlessStuck(bus, controller.signal, work, 0);
    controller.abort();
    for (let i = 0; i < 3; i++) await nextTurn();
    end('done');
    expect(await waiting).to.equal('done');
  });

  it('is told what is not stored when it is told to stop', async () => {
    const empty = fill(store, '_append');
    const controller = new AbortController();
    const waiting = rejection(unlessStuck(bus, controller.signal, never));
    bus.emit('scan.started', { root: '/' });
    controller.abort();
    expect((await waiting).message)
      .to.contain('1 events are not stored')
      .and.contain('ENOSPC');
    empty();
  });
});
