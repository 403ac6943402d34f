import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { createBus, jsonFile } from 'telltale';
import type { StoredEvent } from 'telltale';
import { rebuild, recall, startTeam } from '../../examples/team/index.ts';
import type { TeamResult } from '../../examples/team/index.ts';

const FILES = 60;
const killedRun = fileURLToPath(new URL('./fixtures/killed-run.js', import.meta.url));

describe('the team', function () {
  this.timeout(60_000);
  let folder: string;
  let log: string;

  beforeEach(async () => {
    const home = await mkdtemp(join(tmpdir(), 'telltale-team-'));
    [folder, log] = [join(home, 'files'), join(home, 'log')];
    await mkdir(join(folder, 'deep'), { recursive: true });
    await mkdir(log);
    for (let i = 0; i < FILES - 1; i++)
      await writeFile(
        join(folder, i % 2 === 0 ? '' : 'deep', `f${i}.ts`),
        `export const a = ${i};\n${'// TODO\n'.repeat(i % 9)}`,
      );
    await writeFile(join(folder, 'image.png'), Buffer.from([0x89, 0, 1, 2]));
  });
  afterEach(() => rm(join(folder, '..'), { recursive: true }));

  /** One run over the folder; `stopAfter` parsed files it is interrupted. */
  async function run(stopAfter = Infinity) {
    const store = jsonFile(log);
    const bus = await createBus({ source: 'team', store });
    const controller = new AbortController();
    let parsed = 0;
    bus.on('file.parsed', () => {
      if (++parsed === stopAfter) controller.abort();
    });
    const known = await recall(store.read());
    const { signal } = controller;
    const options = { root: folder, readers: 2, skipNames: new Set<string>(), skipPaths: new Set<string>(), signal };
    const result = await startTeam(bus, known, options).result;
    const rebuilt = await rebuild(store.read(), result.report);
    const events: StoredEvent[] = [];
    for await (const event of store.read()) events.push(event);
    await bus.close();
    return { result, rebuilt, events };
  }

  it('reads every file once, in threads, each story with its own correlation', async () => {
    const { result, rebuilt, events } = await run();
    expectAllOnce(result, events);
    expect(rebuilt.identical).to.equal(true);
    const story = events.filter(({ correlationId }) => correlationId === rebuilt.story);
    expect(story.map(({ type }) => type)).to.deep.equal(['file.found', 'file.read', 'file.parsed', 'file.flagged']);
    for (const [index, event] of story.entries()) expect(event.causationId).to.equal(story[index - 1]?.id);
    const readers = new Set(events.filter(({ type }) => type === 'file.read').map(({ source }) => source));
    expect([...readers]).to.have.members(['reader-1', 'reader-2']);
  });

  it('makes a dead letter of what a reader cannot read', async () => {
    const { events, rebuilt } = await run();
    const story = events.filter(({ correlationId }) => correlationId === rebuilt.failure);
    expect(story.map(({ type }) => type)).to.deep.equal(['file.found', 'file.failed', '$dead-letter.opened']);
    expect((story[1]!.payload as { reason: string }).reason).to.equal('binary: a NUL byte at offset 1');
  });

  it('goes on after an interruption, and has nothing to do after the end', async () => {
    const first = await run(20);
    expect(first.result.interrupted).to.equal(true);
    expect(first.result.handled).to.be.within(20, FILES - 1);
    const second = await run();
    expect(second.result.earlier).to.equal(first.result.handled);
    expectAllOnce(second.result, second.events);
    expect(second.rebuilt.identical).to.equal(true);
    const third = await run();
    expect(third.result).to.include({ handled: 0, earlier: FILES });
    expect(third.events).to.have.length(second.events.length);
    expect(third.result.report).to.deep.equal(second.result.report);
  });

  it('loses nothing and reads nothing twice when it is killed again and again', async () => {
    for (const after of [3, 17, 29])
      await new Promise<void>((resolve) =>
        execFile(process.execPath, [killedRun, folder, log, String(after)], (error) => {
          expect(error?.signal).to.equal('SIGKILL');
          resolve();
        }),
      );
    const { result, rebuilt, events } = await run();
    expectAllOnce(result, events);
    expect(rebuilt.identical).to.equal(true);
    const todos = result.report.flags.filter(({ rule }) => rule === 'todos');
    expect(todos).to.have.length([...Array(FILES - 1).keys()].filter((i) => i % 9 > 5).length);
  });

  it('reads a changed file again and forgets what it found before', async () => {
    await run();
    await writeFile(join(folder, 'f8.ts'), 'export const changed = true;\n');
    const { result, rebuilt } = await run();
    expect(result).to.include({ handled: 1, earlier: FILES - 1 });
    expect(result.report.flags.some(({ path }) => path === 'f8.ts')).to.equal(false);
    expect(rebuilt.identical).to.equal(true);
  });

  it('tells another report as different', async () => {
    const { result } = await run();
    const store = jsonFile(log, { readOnly: true });
    await store.open();
    const { identical } = await rebuild(store.read(), { ...result.report, lines: result.report.lines + 1 });
    await store.close();
    expect(identical).to.equal(false);
  });
});

function expectAllOnce(result: TeamResult, events: readonly StoredEvent[]): void {
  const outcomes = events.filter(({ type }) => ['file.parsed', 'file.failed'].includes(type));
  const paths = outcomes.map(({ payload }) => (payload as { path: string }).path);
  expect(paths).to.have.length(FILES);
  expect(new Set(paths).size).to.equal(FILES);
  expect(result.report).to.include({ read: FILES - 1 });
  expect(result.report.failures.map(({ path }) => path)).to.deep.equal(['image.png']);
}
