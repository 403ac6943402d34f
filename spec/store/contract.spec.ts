import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { stub } from 'sinon';
import { testStore } from '../../plugins/contract/index.ts';
import type { CreateStore } from '../../plugins/contract/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { memory } from '../../plugins/memory/index.ts';
import { BROKEN_STORES } from '../support/broken-stores.ts';

const run = promisify(execFile);

describe('the store contract', () => {
  const healthy = collect(() => memory());

  it('has no two tests of one name', () => {
    expect(healthy.names.length).to.equal(healthy.tests.size);
  });

  for (const { fault, caughtBy, create } of BROKEN_STORES) {
    it(`catches ${fault}`, async () => {
      const test = collect(create).tests.get(caughtBy);
      if (test === undefined) throw new Error(`the contract has no test "${caughtBy}"`);
      const error = await test().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      // A fault that made the test itself stumble would prove nothing.
      expect(error, `"${caughtBy}" passed`).to.have.property('code', 'ERR_ASSERTION');
      await healthy.tests.get(caughtBy)!();
    });
  }

  it('prints the reason of a skip and tells the runner', async () => {
    const name = 'gives consecutive positions from 1';
    const { tests } = collect(() => memory(), { [name]: 'this store counts from 7' });
    const written: string[] = [];
    const print = stub(process.stderr, 'write').callsFake((text) => written.push(String(text)) > 0);
    const told: unknown[] = [];
    try {
      await tests.get(name)!({ skip: (reason: unknown) => told.push(reason) });
    } finally {
      print.restore();
    }
    expect(told).to.deep.equal(['this store counts from 7']);
    expect(written.join('')).to.include(name).and.include('this store counts from 7');
  });

  it('prints one line for a chapter with which the store has nothing to do, and tells the runner of each test', async () => {
    const { tests, chapters } = collect(withoutOperations);
    const written: string[] = [];
    const print = stub(process.stderr, 'write').callsFake((text) => written.push(String(text)) > 0);
    const told: unknown[] = [];
    try {
      for (const name of chapters.get('takingOver')!)
        await tests.get(name)!({ skip: (why: unknown) => told.push(why) });
    } finally {
      print.restore();
    }
    const reason = 'the store does not declare `import`';
    expect(told).to.deep.equal(chapters.get('takingOver')!.map(() => reason));
    expect(written).to.deep.equal([`SKIPPED all ${told.length} tests of "takingOver": ${reason}\n`]);
  });

  it('runs under node:test as well', async function () {
    this.timeout(60_000);
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', NODE_TEST_PROGRAM]);
    const count = (what: string): number => Number(new RegExp(`^(?:#|ℹ) ${what} (\\d+)$`, 'm').exec(stdout)?.[1]);
    expect(count('pass'), stdout).to.equal(healthy.tests.size - 1);
    expect([count('fail'), count('skipped')]).to.deep.equal([0, 1]);
  });
});

const NODE_TEST_PROGRAM = `
  import { describe, it, before, after } from 'node:test';
  const { testStore } = await import('${new URL('../../plugins/contract/index.js', import.meta.url).href}');
  const { memory } = await import('${new URL('../../plugins/memory/index.js', import.meta.url).href}');
  const skip = { 'gives consecutive positions from 1': 'to see a skip' };
  testStore('memory', () => memory(), { describe, it, before, after }, { skip });
`;

/** A store that declares nothing it need not. */
function withoutOperations(): Store {
  const store = memory();
  const supports = { ...store.supports, operations: [] };
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'supports') return supports;
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

type Body = (context?: unknown) => Promise<void>;

interface Collected {
  readonly names: readonly string[];
  readonly tests: ReadonlyMap<string, Body>;
  readonly chapters: ReadonlyMap<string, readonly string[]>;
}

/** The contract's tests by name, run by nobody yet. */
function collect(createStore: CreateStore, skip: Readonly<Record<string, string>> = {}): Collected {
  const names: string[] = [];
  const tests = new Map<string, Body>();
  const chapters = new Map<string, string[]>();
  const runner = {
    describe: (name: string, body: () => void) => {
      chapters.set(name, []);
      body();
    },
    it: (name: string, body: Body) => {
      names.push(name);
      [...chapters.values()].at(-1)!.push(name);
      tests.set(name, body);
    },
    before: () => undefined,
    after: () => undefined,
  };
  testStore('collected', createStore, runner, { skip });
  return { names, tests, chapters };
}
