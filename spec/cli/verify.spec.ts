import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openStore } from 'telltale/open';
import { PROMISES, promiseOf } from '../../plugins/cli/verify/promises.ts';
import type { PromiseName } from '../../plugins/cli/verify/promises.ts';
import { subjectAt } from '../../plugins/cli/verify/subject.ts';
import type { Subject } from '../../plugins/cli/verify/subject.ts';
import { contractTests, verifyStore } from '../../plugins/cli/verify/verify-store.ts';
import type { Store } from '../../lib/plugin.ts';
import { memory } from '../../plugins/memory/index.ts';
import { BROKEN_STORES } from '../support/broken-stores.ts';
import { commandLine } from '../support/command-line.ts';
import { buildEvents } from '../support/event-builder.ts';
import { ask, schemaName, sharedServer, shortSchemaName, urlIn } from '../support/postgres-server.ts';
import { root } from '../support/root.ts';

/** What is not the contract, which has its specs for each store, and a little of that. */
const BRIEFLY = (name: string): boolean =>
  /^(?:gap test|kill test|fence test|gives back every plain|never uses a position)/.test(name);

function subjectOf(create: () => Store): Subject {
  return {
    name: 'made here',
    specimen: async () => ({ reach: { url: 'memory:' }, create: async () => create(), drop: async () => undefined }),
  };
}

/** What each fault breaks. */
const BREAKS: Readonly<Record<string, PromiseName>> = {
  'position reuse': 'P5',
  'revision restart': 'P5',
  'lost duplicate check': 'P2',
  'ids forgotten with their events': 'P2',
  'overwriting retries': 'P2',
  'non-atomic batch': 'P3',
  'lost end of a batch': 'P3',
  'gap between pages': 'P5',
  'too narrow pushdown': 'P10',
  'reordered keys': 'P10',
  'normalised texts': 'P10',
  'history that readers can change': 'P9',
  'no sync': 'P1',
  'feed gaps': 'P5',
  'unrecorded removal': 'P5',
  'removed events in the size': 'P8',
  'no compare-and-set': 'P7',
  'ignored fence': 'P7',
  'ids lost in taking over': 'P2',
  'acknowledged and lost at close': 'P1',
};

describe('telltale verify', function () {
  this.timeout(600_000);
  let home: string;

  beforeEach(() => (home = mkdtempSync(join(tmpdir(), 'telltale-verify-'))));
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  it('says what a store promises and what was proven, with exit code 0', async () => {
    const { code, out } = await commandLine(['verify', 'memory:', '--events', '300'], home);
    expect(code, out).to.equal(0);
    expect(out).to.include('promises durability memory, one writing process');
    for (const [name, text] of Object.entries(PROMISES))
      if (name !== 'P6') expect(out).to.match(new RegExp(`✓ ${name} +${text} +\\d+ of \\d+ tests passed`));
    expect(out).to.match(/– P6 .* not tested from outside/);
    expect(out).to.include('not run: kill test: it promises to keep nothing when its process is killed');
    expect(out).to.match(/gap test: 3\d\d events, 8 writers, 4 readers, no gap/);
    expect(out).to.include('every promise that was tested holds');
  });

  it('passes on a folder and on an SQLite file, kills included, and leaves nothing behind', async () => {
    for (const url of [`file:${home}/log`, `sqlite:${home}/log.db`]) {
      const report = await verifyStore(await subjectAt(url, undefined), { kills: 2, events: 400, only: BRIEFLY });
      expect(report.breaches, url).to.deep.equal([]);
      expect(report.proofs.P1!.seen[0]).to.match(/^kill test: 2 kills, \d+ batches acknowledged, none lost$/);
      expect(report.proofs.P5!.passed).to.equal(2);
    }
    expect(readdirSync(home)).to.deep.equal([]);
  });

  it('passes on PostgreSQL, and drops the schemas of its tests', async function () {
    const server = await sharedServer(this);
    const schema = shortSchemaName();
    const url = `${urlIn(server, schema)}&tablePrefix=mine_`;
    const report = await verifyStore(await subjectAt(url, undefined), { kills: 2, events: 400, only: BRIEFLY });
    expect(report.breaches).to.deep.equal([]);
    expect(report.proofs.P5!.seen[0]).to.include('8 writing processes, 3 of them killed, 4 readers');
    const left = await ask(server, 'SELECT nspname FROM pg_namespace WHERE starts_with(nspname, $1)', [`${schema}_`]);
    expect(left).to.deep.equal([]);
  });

  for (const { fault, caughtBy, create } of BROKEN_STORES)
    it(`finds ${fault}, and names the promise that is broken`, async () => {
      const { breaches } = await verifyStore(subjectOf(create), { only: (name) => name === caughtBy });
      expect(breaches.map(({ test }) => test)).to.deep.equal([caughtBy]);
      const { promise } = breaches[0]!;
      expect(PROMISES).to.have.property(promise);
      if (BREAKS[fault] !== undefined) expect(promise).to.equal(BREAKS[fault]);
    });

  it('finds by killing it a store that acknowledges what it writes later', async () => {
    const subject = await subjectAt(join(import.meta.dirname, 'forgetful-store.js'), undefined);
    const { breaches } = await verifyStore(subject, { kills: 12, only: (name) => name === 'kill test' });
    expect(breaches.map(({ promise }) => promise)).to.deep.equal(['P1']);
    expect(breaches[0]!.message).to.match(/^acknowledged at position \d+ before kill \d+, and now lost: /);
  });

  it('finds by killing it a store that writes half a batch', async () => {
    process.env['TELLTALE_SPEC_FAULT'] = 'splits';
    try {
      const subject = await subjectAt(join(import.meta.dirname, 'forgetful-store.js'), undefined);
      const { breaches } = await verifyStore(subject, { kills: 30, only: (name) => name === 'kill test' });
      expect(breaches.map(({ promise }) => promise)).to.deep.equal(['P3']);
      expect(breaches[0]!.message).to.match(/^of batch \S+ \d events of \d are there$/);
    } finally {
      delete process.env['TELLTALE_SPEC_FAULT'];
    }
  });

  it('finds a store that is shared and shows late what another process has written', async () => {
    process.env['TELLTALE_SPEC_FAULT'] = 'hides';
    try {
      const subject = await subjectAt(join(import.meta.dirname, 'forgetful-store.js'), undefined);
      const { breaches } = await verifyStore(subject, { events: 400, only: (name) => name === 'gap test' });
      expect(breaches.map(({ promise }) => promise)).to.deep.equal(['P5']);
      expect(breaches[0]!.message).to.match(/^a reader /);
    } finally {
      delete process.env['TELLTALE_SPEC_FAULT'];
    }
  });

  it('finds a store that is shared and compares a fence before it writes', async () => {
    process.env['TELLTALE_SPEC_FAULT'] = 'unfenced';
    try {
      const subject = await subjectAt(join(import.meta.dirname, 'forgetful-store.js'), undefined);
      const { breaches } = await verifyStore(subject, { only: (name) => name === 'fence test' });
      expect(breaches.map(({ promise }) => promise)).to.deep.equal(['P7']);
      expect(breaches[0]!.message).to.match(/^a holder of epoch \d+ changed a document when epoch \d+ was given out$/);
    } finally {
      delete process.env['TELLTALE_SPEC_FAULT'];
    }
  });

  it('finds a store whose readers see a position before a lower one', async () => {
    const { breaches } = await verifyStore(subjectOf(hidingNow), { events: 400, only: (name) => name === 'gap test' });
    expect(breaches.map(({ promise }) => promise)).to.deep.equal(['P5']);
    expect(breaches[0]!.message).to.match(/^a reader /);
  });

  it('names the promise that a store of one’s own breaks, with exit code 1', async () => {
    const plugin = join(root, 'dist/plugins/memory/index.js');
    const module = `import { memory } from ${JSON.stringify(plugin)};
      export const createStore = () => new Proxy(memory(), { get: (store, name) => name === 'revision'
        ? async () => 0 : typeof store[name] === 'function' ? store[name].bind(store) : store[name] });`;
    writeFileSync(join(home, 'mine.mjs'), module);
    const { code, out } = await commandLine(['verify', './mine.mjs', '--events', '100'], home);
    expect(code).to.equal(1);
    expect(out)
      .to.match(/✗ P5 /)
      .and.match(/^P5 broken: never starts a revision again, whatever was removed: /m);
    expect(out).to.match(/^\d+ tests? failed, in /m);
  });

  it('removes what its tests have made when it is stopped by Ctrl-C, with exit code 130', async () => {
    const words = [join(root, 'dist/plugins/cli/main.js'), 'verify', `sqlite:${home}/log.db`];
    const child = spawn(process.execPath, words, { cwd: home });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
      if (!child.killed && /\d of \d+ tests/.test(err)) child.kill('SIGINT');
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code, out + err).to.equal(130);
    expect(out).to.match(/^stopped in test \d+ of \d+: .*What the tests made is removed$/m);
    expect(readdirSync(home)).to.deep.equal([]);
  });

  async function problem(...words: readonly string[]): Promise<string> {
    const { code, err } = await commandLine(['verify', ...words], home);
    expect(code, err).to.equal(2);
    return err;
  }

  describe('refuses', () => {
    it('a store that holds events, unless it is told how to call others beside it', async () => {
      for (const url of [`file:${home}/log`, `sqlite:${home}/log.db`]) {
        const store = await openStore(url);
        await store.append(buildEvents(3));
        await store.close();
        expect(await problem(url)).to.include('it holds 3 positions; --scratch <name> verifies one beside it');
        const report = await verifyStore(await subjectAt(url, 'trial'), {
          kills: 1,
          only: (name) => name === 'kill test',
        });
        expect(report.breaches).to.deep.equal([]);
        const after = await openStore(url);
        expect((await after.head()).position).to.equal(3);
        await after.close();
      }
      expect(readdirSync(home).filter((name) => name.includes('trial'))).to.deep.equal([]);
    });

    it('a schema that holds events, and makes nothing to find out', async function () {
      const server = await sharedServer(this);
      const schema = schemaName().slice(0, 30);
      const url = urlIn(server, schema);
      const schemas = (): Promise<unknown[]> => ask(server, 'SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
      await subjectAt(url, undefined);
      expect(await schemas()).to.deep.equal([]);
      const store = await openStore(url);
      await store.append(buildEvents(2));
      await store.close();
      expect(await problem(url)).to.include('it holds 2 positions');
      await ask(server, `DROP SCHEMA "${schema}" CASCADE`);
    });

    it('a module whose new stores are not empty, and writes nothing to them', async () => {
      const used = memory();
      await used.open();
      await used.append(buildEvents(4));
      const outcome = await verifyStore(subjectOf(() => used)).catch((error: unknown) => error);
      expect(outcome).to.have.property('code', 'STORE_OCCUPIED');
      await used.open();
      expect((await used.head()).position).to.equal(4);
    });

    it('what is no store', async () => {
      writeFileSync(join(home, 'empty.mjs'), 'export const nothing = 1;');
      writeFileSync(join(home, 'broken.mjs'), 'export const = 1;');
      expect(await problem('./empty.mjs')).to.include('exports no createStore');
      expect(await problem('./broken.mjs')).to.include('cannot be loaded');
      expect(await problem('./missing.mjs')).to.include('is no module');
      expect(await problem('memory:', '--scratch', 'not a name')).to.include('--scratch');
      expect(await problem('memory:', '--kills', 'many')).to.include('--kills');
    });
  });

  it('knows for each test of the contract which promise it proves', async () => {
    const tests = await contractTests(subjectOf(() => memory()));
    expect(tests.length).to.be.greaterThan(100);
    for (const { chapter, name } of tests) expect(promiseOf(chapter, name), `${chapter}: ${name}`).to.be.a('string');
    expect(promiseOf('unheard of', 'a new test')).to.equal(undefined);
  });
});

/** Readers see each second event only when three others have come behind it. */
function hidingNow(): Store {
  return new Proxy(memory(), {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (name === 'page')
        return async (query: Parameters<Store['page']>[0]) => {
          const [page, head] = [await target.page(query), await target.head()];
          const isThere = ({ position }: { readonly position: number }): boolean =>
            position % 2 === 1 || position < head.position - 2;
          return { ...page, events: page.events.filter(isThere) };
        };
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}
