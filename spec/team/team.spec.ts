import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { createBus, jsonFile } from 'telltale';
import type { StoredEvent } from 'telltale';
import { audit, startTeam, teamEvents } from '../../examples/team/index.ts';
import type { Audit, TeamResult } from '../../examples/team/index.ts';
import { makeFiles } from './files.ts';
import type { Files } from './files.ts';

// More than may be under way at once in a run that is interrupted (20 and 48) and in two that are killed (3 and 24, 5).
const FILES = 120;
/** Every ninth to ninth but two has more TODOs than a file may. */
const FLAGGED = [...Array(FILES - 1).keys()].filter((i) => i % 9 > 5);
const killedRun = fileURLToPath(new URL('./fixtures/killed-run.js', import.meta.url));

interface Run {
  readonly result: TeamResult;
  readonly found: Audit;
  readonly events: readonly StoredEvent[];
}

describe('the team', function () {
  this.timeout(30_000);
  let files: Files;
  const prepare = async (): Promise<void> => void (files = await makeFiles(FILES));
  const tidy = (): Promise<void> => files.remove();

  /** One run over the folder; `stopAfter` parsed files it is interrupted. */
  async function run(stopAfter = Infinity): Promise<Run> {
    const { root, log } = files;
    const store = jsonFile(log);
    const bus = await createBus({ source: 'team', store, events: teamEvents });
    const controller = new AbortController();
    let parsed = 0;
    bus.on('file.parsed', () => {
      if (++parsed === stopAfter) controller.abort();
    });
    const { signal } = controller;
    const skip = { skipNames: new Set<string>(), skipPaths: new Set<string>() };
    try {
      const team = await startTeam(bus, { root, log, readers: 2, ...skip, signal });
      const result = await team.run();
      const found = await audit(bus, result.report);
      const events: StoredEvent[] = [];
      for await (const event of store.read()) events.push(event);
      return { result, found, events };
    } finally {
      // Ends the readers, also where they have not come to their end.
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

    it('keeps each story in a correlation of its own, with the name of whoever says it', () => {
      const { events } = whole;
      const { correlationId } = events.findLast(({ type }) => type === 'file.flagged')!;
      const story = events.filter((event) => event.correlationId === correlationId);
      expect(story.map(({ type }) => type)).to.deep.equal(['file.found', 'file.parsed', 'file.flagged']);
      expect(story.map(({ source }) => source)).to.deep.equal(['scout', 'reader', 'reviewer']);
      for (const [index, event] of story.entries()) expect(event.causationId).to.equal(story[index - 1]?.id);
    });

    it('tells of the scan in another, and writes down nobody’s asking', () => {
      const { events } = whole;
      const scan = events.find(({ type }) => type === 'scan.started')!;
      const told = events.filter(({ correlationId }) => correlationId === scan.id);
      expect(told.map(({ type, source, causationId }) => [type, source, causationId])).to.deep.equal([
        ['scan.started', 'scout', undefined],
        ['report.updated', 'reporter', scan.id],
        ['scan.finished', 'team', scan.id],
      ]);
      expect(told.at(-1)!.payload).to.deep.equal({ found: FILES, read: FILES - 1, failed: 1 });
      expect(events.filter(({ type }) => type === 'report.wanted')).to.have.length(0);
    });

    it('makes a dead letter of what a reader cannot read', () => {
      const { correlationId } = whole.events.find(({ type }) => type === 'file.failed')!;
      const story = whole.events.filter((event) => event.correlationId === correlationId);
      expect(story.map(({ type }) => type)).to.deep.equal(['file.found', '$dead-letter.opened', 'file.failed']);
      expect(story[2]!.payload).to.include({ reason: 'binary: a NUL byte at offset 1', code: 'FILE_BINARY' });
    });

    it('tells another report as different', async () => {
      const bus = await createBus({ store: jsonFile(files.log, { readOnly: true }), events: teamEvents });
      const { identical } = await audit(bus, { ...whole.result.report, digest: 'another' });
      await bus.close();
      expect(identical).to.equal(false);
    });

    it('has nothing to say where nothing has changed', async () => {
      const { result, found, events } = await run();
      expect(result).to.include({ handled: 0, earlier: FILES });
      expect(found.identical).to.equal(true);
      expect(events).to.have.length(whole.events.length);
    });

    it('makes the report anew from the log where its file was deleted, and reads no file for it', async () => {
      await rm(join(files.log, 'report.json'));
      const { result, found } = await run();
      expect(result).to.include({ handled: 0, earlier: FILES });
      expect(result.report).to.deep.equal(whole.result.report);
      expect(found.identical).to.equal(true);
    });

    it('reads only what has changed in the next, and forgets what it found before', async () => {
      await writeFile(join(files.root, 'f8.ts'), 'export const changed = true;\n');
      const { result, found } = await run();
      expect(result).to.include({ handled: 1, earlier: FILES - 1 });
      expect(whole.result.report.flags.some(({ path }) => path === 'f8.ts')).to.equal(true);
      expect(result.report.flags.some(({ path }) => path === 'f8.ts')).to.equal(false);
      expect(found.identical).to.equal(true);
    });
  });

  // One after the other over the same log: starting the threads is what takes its time.
  describe('in several runs', () => {
    let handled: number;
    before(prepare);
    after(tidy);

    it('finishes what is being read when it is interrupted, and leaves the rest', async () => {
      const { result, found, events } = await run(20);
      expect(result.interrupted).to.equal(true);
      expect(result.handled).to.be.within(20, FILES - 20);
      expect(result.progress.waiting).to.equal(0);
      expect(found).to.deep.include({ identical: true, lost: [], files: result.handled });
      expect(events.at(-1)!.type).to.equal('scan.interrupted');
      handled = result.handled;
    });

    it('loses nothing and reads nothing twice, also when it is killed again and again', async () => {
      for (const after of [3, 5]) {
        await killAfter(after);
        handled += after;
      }
      const last = await run();
      expectAllOnce(last);
      expect(last.result.earlier).to.be.within(handled - 8, FILES - 1);
    });
  });

  function killAfter(after: number): Promise<void> {
    return new Promise((resolve, reject) =>
      execFile(process.execPath, [killedRun, files.root, files.log, String(after)], (error) =>
        error?.signal === 'SIGKILL' ? resolve() : reject(error ?? new Error('was not killed')),
      ),
    );
  }
});

function expectAllOnce({ result, found, events }: Run): void {
  const outcomes = events.filter(({ type }) => ['file.parsed', 'file.failed'].includes(type));
  const paths = outcomes.map(({ payload }) => (payload as { path: string }).path);
  expect(paths).to.have.length(FILES);
  expect(new Set(paths).size).to.equal(FILES);
  const { read, failures, flags } = result.report;
  expect(read).to.equal(FILES - 1);
  expect(failures.map(({ path }) => path)).to.deep.equal(['image.png']);
  expect(flags.map(({ path }) => Number(/\d+/.exec(path)![0]))).to.have.members(FLAGGED);
  expect(found).to.deep.include({ files: FILES, identical: true, lost: [], twice: [] });
}
