import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { PageQuery, Store } from '../../lib/plugin.ts';
import { RETENTION } from '../../lib/retention/progress.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { openOn } from '../json-file/log-on-disk.ts';
import { everyStep } from '../support/every-step.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { fill, openLog, positionsOf, type Entry } from './log.ts';
import { sweepOnce } from './sweep-once.ts';

const RULES = [{ match: 'task.done', keepCount: 3 }] as const;
const SEGMENTS = { segmentEvents: 16 } as const;
/** Of the first segments all may go, of the others every second event. */
const LOG: readonly Entry[] = Array.from({ length: 50 }, (_, n) => ({
  type: n < 20 || n % 2 === 0 ? 'task.done' : 'task.kept',
}));
const LEFT = Array.from({ length: 50 }, (_, n) => n + 1).filter(
  (position) => position > 20 && (position % 2 === 0 || position > 44),
);

const STEP = everyStep(3);

class Cut extends Error {}

/** A store of which the n-th call is the last, as if the process had ended: before it did anything, or after it did all. */
function cutting(store: Store, nth: number, when: 'before' | 'after'): Store {
  let calls = 0;
  const cut = async <T>(call: () => Promise<T>): Promise<T> => {
    if (calls >= nth) throw new Cut();
    if (++calls < nth) return call();
    if (when === 'after') await call();
    throw new Cut();
  };
  const names = ['page', 'head', 'remove', 'document', 'putDocument', 'deleteDocument', 'listDocuments'];
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      const bound = member.bind(target) as (...given: unknown[]) => Promise<unknown>;
      return names.includes(String(name)) ? (...given: unknown[]) => cut(() => bound(...given)) : bound;
    },
  });
}

/** Did the sweep come to its end? */
async function isSwept(store: Store): Promise<boolean> {
  try {
    await sweepOnce(store, RULES);
    return true;
  } catch (error) {
    if (error instanceof Cut) return false;
    throw error;
  }
}

async function expectSwept(store: Store, title: string): Promise<void> {
  expect(await positionsOf(store), `nothing that stays is gone, ${title}`).to.include.members(LEFT);
  await sweepOnce(store, RULES);
  expect(await positionsOf(store), title).to.deep.equal(LEFT);
  expect(await store.document(RETENTION, 'sweep'), title).to.equal(undefined);
}

describe('a sweep that is cut', function () {
  this.timeout(120_000);

  for (const when of ['before', 'after'] as const)
    it(`leaves the log whole and goes on, whichever call of the store was the last, ended ${when} it`, async () => {
      let nth = 1;
      for (; ; nth++) {
        const { store } = await openLog(LOG);
        const swept = await isSwept(cutting(store, nth, when));
        await expectSwept(store, `call ${nth}`);
        if (swept) break;
      }
      expect(nth).to.be.greaterThan(8);
    });

  it('leaves nothing undone when the bus stops in its middle and starts again', async () => {
    const { store } = await openLog(LOG);
    const stop = new AbortController();
    const page = store.page.bind(store);
    store.page = async (query: PageQuery) => {
      stop.abort();
      return page(query);
    };
    expect(await sweepOnce(store, RULES, stop.signal)).to.deep.include({ skipped: 'stopped' });
    expect(await positionsOf(store)).to.have.length(50);
    store.page = page;
    await expectSwept(store, 'stopped');
  });

  it('goes on in json-file after every change of the disk, killed there or without power', async () => {
    let steps = 0;
    for (let nth = 1; ; nth += STEP) {
      const disk = new MemoryDisk();
      const store = await openOn(disk, SEGMENTS);
      await fill(store, { at: 0 }, LOG);
      const first = disk.serial;
      disk.fault = ({ serial }) => (serial - first === nth ? 'crash' : undefined);
      const swept = await sweepOnce(store, RULES).then(
        () => true,
        () => false,
      );
      for (const [title, found] of [
        ['killed', disk.killed()],
        ['without power', disk.powerCut()],
        ...(nth % 2 === 0 ? [['without power, half of it written', disk.powerCut('half')] as const] : []),
      ] as const) {
        const after = await openOn(found, SEGMENTS);
        await expectSwept(after, `${title} at change ${nth}`);
        await after.close();
      }
      if (swept) break;
      steps += STEP;
    }
    expect(steps).to.be.greaterThan(20);
  });

  it('goes on in json-file after a real kill', async () => {
    const folder = mkdtempSync(join(quickFolder(), 'telltale-retention-kill-'));
    try {
      for (const nth of [4, 16]) {
        const log = join(folder, String(nth));
        const store = jsonFile(log, SEGMENTS);
        await store.open();
        await fill(store, { at: 0 }, LOG);
        await store.close();
        const child = spawn(process.execPath, [KILLED, log, String(nth), JSON.stringify(RULES)], { stdio: 'inherit' });
        expect((await once(child, 'exit')) as unknown[]).to.deep.equal([null, 'SIGKILL']);
        await store.open();
        await expectSwept(store, `killed at change ${nth}`);
        await store.close();
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const KILLED = join(import.meta.dirname, 'killed-sweep.js');
