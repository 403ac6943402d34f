import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { createBus, jsonFile } from 'telltale';
import type { StoredEvent } from 'telltale';
import { rebuild, recall, startTeam, teamEvents } from '../../examples/team/index.ts';
import type { Team, TeamResult } from '../../examples/team/index.ts';

// More than may be under way at once.
const FILES = 100;
/** Every ninth to ninth but two has more TODOs than a file may. */
const FLAGGED = [...Array(FILES - 1).keys()].filter((i) => i % 9 > 5);
const killedRun = fileURLToPath(new URL('./fixtures/killed-run.js', import.meta.url));

interface Run {
  readonly result: TeamResult;
  readonly rebuilt: Awaited<ReturnType<typeof rebuild>>;
  readonly events: readonly StoredEvent[];
}

describe('the team', function () {
  this.timeout(30_000);
  let home: string;
  let folder: string;
  let log: string;

  async function prepare(): Promise<void> {
    home = await mkdtemp(join(tmpdir(), 'telltale-team-'));
    [folder, log] = [join(home, 'files'), join(home, 'log')];
    await mkdir(join(folder, 'deep'), { recursive: true });
    await mkdir(log);
    for (let i = 0; i < FILES - 1; i++)
      await writeFile(
        join(folder, i % 2 === 0 ? '' : 'deep', `f${i}.ts`),
        `export const a = ${i};\n${'// TODO\n'.repeat(i % 9)}`,
      );
    await writeFile(join(folder, 'image.png'), Buffer.from([0x89, 0, 1, 2]));
  }
  const tidy = (): Promise<void> => rm(home, { recursive: true });

  /** One run over the folder; `stopAfter` parsed files it is interrupted. */
  async function run(stopAfter = Infinity): Promise<Run> {
    const store = jsonFile(log);
    const bus = await createBus({ source: 'team', store, events: teamEvents });
    const controller = new AbortController();
    let parsed = 0;
    bus.on('file.parsed', () => {
      if (++parsed === stopAfter) controller.abort();
    });
    const known = await recall(store.read());
    const { signal } = controller;
    const skip = { skipNames: new Set<string>(), skipPaths: new Set<string>() };
    try {
      const team = startTeam(bus, known, { root: folder, log, readers: 2, ...skip, signal });
      const result = await Promise.race([team.result, deadline(team)]);
      const rebuilt = await rebuild(store.read(), result.report);
      const events: StoredEvent[] = [];
      for await (const event of store.read()) events.push(event);
      return { result, rebuilt, events };
    } finally {
      await bus.close();
    }
  }

  describe('in one run', () => {
    let whole: Run;
    before(async () => {
      await prepare();
      whole = await run();
    });
    after(tidy);

    it('reads every file once, and the report told again from the log is identical', () => {
      expectAllOnce(whole);
      expect(whole.result).to.include({ handled: FILES, earlier: 0, interrupted: false, deaths: 0 });
    });

    it('keeps each story in a correlation of its own, with the name of the thread that says it', () => {
      const { events, rebuilt } = whole;
      const story = events.filter(({ correlationId }) => correlationId === rebuilt.story);
      expect(story.map(({ type }) => type)).to.deep.equal(['file.found', 'file.read', 'file.parsed', 'file.flagged']);
      expect(story.map(({ source }) => source.replace(/\d$/, 'n'))).to.deep.equal([
        'scout',
        'reader-n',
        'reader-n',
        'reviewer',
      ]);
      for (const [index, event] of story.entries()) expect(event.causationId).to.equal(story[index - 1]?.id);
      const readers = new Set(events.filter(({ type }) => type === 'file.read').map(({ source }) => source));
      expect([...readers]).to.have.members(['reader-1', 'reader-2']);
    });

    it('tells of the scan in another, and writes down nobody’s asking', () => {
      const { events } = whole;
      const scan = events.find(({ type }) => type === 'scan.started')!;
      const told = events.filter(({ correlationId }) => correlationId === scan.id);
      expect(told.map(({ type, source }) => [type, source])).to.deep.equal([
        ['scan.started', 'scout'],
        ['report.updated', 'reporter'],
        ['scan.finished', 'team'],
      ]);
      expect(told.at(-1)!.payload).to.deep.equal({ found: FILES, read: FILES - 1, failed: 1 });
      expect(
        events.filter(({ type }) => ['files.wanted', 'files.listed', 'report.made'].includes(type)),
      ).to.have.length(0);
    });

    it('makes a dead letter of what a reader cannot read', () => {
      const { events, rebuilt } = whole;
      const story = events.filter(({ correlationId }) => correlationId === rebuilt.failure);
      expect(story.map(({ type }) => type)).to.deep.equal(['file.found', 'file.failed', '$dead-letter.opened']);
      expect((story[1]!.payload as { reason: string }).reason).to.equal('binary: a NUL byte at offset 1');
    });

    it('tells another report as different', async () => {
      const store = jsonFile(log, { readOnly: true });
      await store.open();
      const { identical } = await rebuild(store.read(), { ...whole.result.report, digest: 'another' });
      await store.close();
      expect(identical).to.equal(false);
    });

    it('reads only what has changed in the next, and forgets what it found before', async () => {
      await writeFile(join(folder, 'f8.ts'), 'export const changed = true;\n');
      const { result, rebuilt } = await run();
      expect(result).to.include({ handled: 1, earlier: FILES - 1 });
      expect(whole.result.report.flags.some(({ path }) => path === 'f8.ts')).to.equal(true);
      expect(result.report.flags.some(({ path }) => path === 'f8.ts')).to.equal(false);
      expect(rebuilt.identical).to.equal(true);
    });
  });

  // One after the other over the same log: starting the threads is what takes its time.
  describe('in several runs', () => {
    let handled: number;
    before(prepare);
    after(tidy);

    it('finishes what is being read when it is interrupted, and leaves the rest', async () => {
      const { result, rebuilt } = await run(20);
      expect(result.interrupted).to.equal(true);
      expect(result.handled).to.be.within(20, FILES - 20);
      expect(result.progress.waiting).to.be.at.least(0);
      expect(rebuilt.identical).to.equal(true);
      handled = result.handled;
    });

    it('loses nothing and reads nothing twice, also when it is killed again and again', async () => {
      for (const after of [3, 5]) {
        await killAfter(after);
        handled += after;
      }
      const last = await run();
      expectAllOnce(last);
      expect(last.result.earlier).to.be.within(handled, FILES - 1);
    });
  });

  function killAfter(files: number): Promise<void> {
    return new Promise((resolve, reject) =>
      execFile(process.execPath, [killedRun, folder, log, String(files)], (error) =>
        error?.signal === 'SIGKILL' ? resolve() : reject(error ?? new Error('was not killed')),
      ),
    );
  }
});

/** After 12 seconds stops the threads, which would keep the process, and rejects with how far they had come. */
function deadline({ progress, stop }: Team): Promise<never> {
  return new Promise((_, reject) =>
    AbortSignal.timeout(12_000).addEventListener('abort', () => {
      reject(new Error(`the team does not come to its end: ${JSON.stringify(progress())}`));
      void stop();
    }),
  );
}

function expectAllOnce({ result, rebuilt, events }: Run): void {
  const outcomes = events.filter(({ type }) => ['file.parsed', 'file.failed'].includes(type));
  const paths = outcomes.map(({ payload }) => (payload as { path: string }).path);
  expect(paths).to.have.length(FILES);
  expect(new Set(paths).size).to.equal(FILES);
  const { read, failures, flags } = result.report;
  expect(read).to.equal(FILES - 1);
  expect(failures.map(({ path }) => path)).to.deep.equal(['image.png']);
  expect(flags.map(({ path }) => Number(/\d+/.exec(path)![0]))).to.have.members(FLAGGED);
  expect(rebuilt.identical).to.equal(true);
}
