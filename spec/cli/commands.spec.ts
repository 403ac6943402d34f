import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { createBus, jsonFile } from 'telltale';
import { encodeLine } from '../../plugins/json-file/line.ts';
import { commandLine } from '../support/command-line.ts';
import { root } from '../support/root.ts';
import { skip } from '../support/skip.ts';

const main = join(root, 'dist/plugins/cli/main.js');
const awkward = join(root, 'spec/cli/fixtures/awkward.ndjson');

// Whoever runs the specs through npx must not change what the commands say about npx.
const env = { ...process.env, NO_COLOR: '1', npm_command: undefined };

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface RunOptions {
  readonly input?: string;
  /** Ctrl-C is pressed with the first line. */
  readonly isInterrupted?: boolean;
  /** @default the folder of the test */
  readonly cwd?: string;
}

/** Presses Ctrl-C in the process itself: whoever watches it may be too late for a fast one. */
const PRESSING = `data:text/javascript,${encodeURIComponent(`
  const { write } = process.stdout;
  process.stdout.write = (...given) => {
    process.stdout.write = write;
    process.kill(process.pid, 'SIGINT');
    return write.apply(process.stdout, given);
  };`)}`;

function expectWithin80Columns(text: string): void {
  // A command to copy is not cut, and neither is a path.
  const long = text.split('\n').filter((line) => line.length > 80 && !line.includes('main.js'));
  expect(long).to.deep.equal([]);
}

function expectSummary(out: string): void {
  expect(out).to.match(/^telltale demo {2}a scout, \d reader threads, a reviewer, a reporter\n/);
  expect(out).to.match(/ {2}log {4}\.telltale\/src-[0-9a-f]{6} {2}\(durability disk: survives a power cut\)/);
  expect(out).to.match(/^41 of 41 files found · backlog 0 · \d failed$/m);
  expect(out).to.match(
    /^\d+ files? in .*, after .* to start the threads\n\d+ events stored, [\d,]+ events per second$/m,
  );
  expect(out).to.match(/bad\.bin +binary: a NUL byte at offset 0/);
  expect(out).to.match(/└─ file\.parsed +reader +[\d.]+ m?s/);
  expect(out).to.match(/report rebuilt from \d+ stored events, no file opened: identical/);
  expectWithin80Columns(out);
}

const grouped = (value: number): string => value.toLocaleString('en-US');

describe('the command line', function () {
  this.timeout(60_000);
  let home: string;

  beforeEach(async () => (home = await mkdtemp(join(tmpdir(), 'telltale-cli-'))));
  afterEach(() => rm(home, { recursive: true }));

  function telltale(words: readonly string[], options: RunOptions = {}): Promise<Ended> {
    const args = [...(options.isInterrupted ? ['--import', PRESSING] : []), main, ...words];
    const child = spawn(process.execPath, args, { cwd: options.cwd ?? home, env });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.stdin.end(options.input ?? '');
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
  }

  async function makeFolder(files: number): Promise<void> {
    await mkdir(join(home, 'src/node_modules'), { recursive: true });
    await writeFile(join(home, 'src/node_modules/skipped.js'), '');
    for (let i = 0; i < files; i++) await writeFile(join(home, `src/f${i}.ts`), `export function f${i}() {\n}\n`);
    await writeFile(join(home, 'src/bad.bin'), Buffer.from([0, 255]));
  }

  describe('demo', () => {
    it('stops at Ctrl-C with exit code 130, goes on the next time, sums up, and then has nothing to do', async () => {
      await makeFolder(40);
      const first = await telltale(['demo', 'src', '--readers', '1'], { isInterrupted: true });
      expect([first.code, first.err]).to.deep.equal([130, '']);
      expect(first.out).to.contain('stopped.').and.contain('The same command goes on from there');

      const second = await telltale(['demo', 'src']);
      expect([second.code, second.err]).to.deep.equal([0, '']);
      expectSummary(second.out);
      expect(await readdir(join(home, '.telltale'))).to.include('.gitignore');

      const third = await commandLine(['demo', 'src', '--readers', '1'], home);
      expect(third.out).to.contain('nothing to do: all 41 files are in the log already').and.contain('identical');

      const [, folder, id] = /look at it: node \S+ show (\S+) (\S+)/.exec(second.out)!;
      const shown = await commandLine(['show', folder!, id!], home);
      expect(shown.out).to.contain('✗ file.failed').and.contain('✗ dead letter');
      expect(shown.out).to.contain('handler of file.found: binary: a NUL byte at offset 0');
      expectWithin80Columns(shown.out);
    });

    it('with --chaos kills readers, and finds that nothing was lost or counted twice', async () => {
      await makeFolder(30);
      const { code, out, err } = await telltale(['demo', 'src', '--chaos', '--seed', '7']);
      expect([code, err]).to.deep.equal([0, '']);
      expect(out).to.match(/^ {2}chaos {2}readers are killed while they read {2}\(--seed 7\)$/m);
      expect(out).to.match(
        /^chaos \(--seed 7\): \d+ readers? killed while they read\n {2}\d+ terminated, \d+ by process/m,
      );
      expect(out).to.contain('\n  31 files found, 31 read or refused: none lost, none twice\n');
      expect(out).to.match(/no file opened: identical/);
      expectWithin80Columns(out);
      const nothing = await commandLine(['demo', 'src', '--chaos', '--seed', '7', '--log', '.telltale/chaos/'], home);
      expect(nothing.code).to.equal(1);
      expect(nothing.out).to.contain('there was too little to read: nothing is proven');
    });
  });

  describe('import', () => {
    it('takes in what can be taken in and keeps every refused line as a dead letter', async () => {
      const { code, out, err } = await commandLine(['import', awkward, '--log', 'log'], home);
      expect([code, err]).to.deep.equal([0, '']);
      expect(out).to.contain('19 lines in').and.contain('5 stored · 1 duplicate · 13 refused');
      expect(out).to.contain('13 lines were refused, each kept as a dead letter');
      expect(out).to.contain('1 line had no time').and.contain('1 event names a cause that is not in the log');
      for (const reason of [
        '3 × IMPORT_REFUSED',
        '1 × EVENT_CONFLICT',
        '1 × INVALID_TIME',
        '1 × INVALID_TYPE',
        '1 × INVALID_ID',
        '2 × RESERVED_TYPE',
        '1 × PAYLOAD_FORBIDDEN_KEY',
        '1 × PAYLOAD_BAD_NUMBER',
        '2 × PAYLOAD_BAD_STRING',
      ])
        expect(out).to.contain(reason);
      expectWithin80Columns(out);
      const store = jsonFile(join(home, 'log'), { readOnly: true });
      const bus = await createBus({ store });
      const letters = await bus.deadLetters.list();
      expect(letters).to.have.length(13);
      expect(letters.every(({ escaped }) => escaped !== undefined)).to.equal(true);
      expect(letters.some(({ escaped }) => escaped!.includes('line 16 is not JSON'))).to.equal(true);
      const stored = await bus.get('a2');
      expect(stored).to.include({ entity: 'order/1', time: Date.parse('2026-01-01T09:00:01Z'), causationId: 'a1' });
      await bus.close();
    });

    it('takes the same log twice without storing anything twice, lines without a time or a source included', async () => {
      const lines = [
        '{"id":"x1","type":"order.placed","source":"shop","time":"2026-01-01T10:00:00Z","payload":{}}',
        '{"id":"x2","type":"order.paid","source":"bank","causationId":"x1","correlationId":"x1","payload":{}}',
        '{"id":"x3","type":"order.sent","metadata":{"priority":"low"},"payload":{}}',
      ];
      const input = `${lines.join('\n')}\n`;
      const first = await telltale(['import', '-', '--log', 'log'], { input });
      expect(first.out).to.contain('3 stored · 0 duplicates · 0 refused').and.contain('2 lines had no time');
      const { out } = await telltale(['demo', '-', '--log', 'log'], { input });
      expect(out).to.contain('0 stored · 3 duplicates · 0 refused');
      const shown = await commandLine(['show', 'log', 'x1', '--json'], home);
      const { events } = JSON.parse(shown.out) as { events: { source: string; metadata: object }[] };
      expect(events.map(({ source, metadata }) => [source, metadata])).to.deep.equal([
        ['shop', {}],
        ['bank', { timeMissing: true }],
      ]);
    });

    const shared = join(root, '../shared/data');
    const counts = join(shared, 'expected-counts.json');
    const sets = ['swe-agent', 'tau-airline', 'zipkin-traces', 'inspect-evals'];
    // All at once, as they do not meet.
    const takeIn = async (name: string): Promise<Ended> => {
      const converter = spawn(process.execPath, [join(shared, `convert-${name}.mjs`)]);
      let input = '';
      for await (const chunk of converter.stdout.setEncoding('utf8')) input += chunk as string;
      return telltale(['demo', '-', '--log', name], { input, cwd: kept });
    };
    const taken = new Map<string, Promise<Ended>>();
    let kept: string;
    before(async () => {
      kept = await mkdtemp(join(tmpdir(), 'telltale-sets-'));
      if (existsSync(counts)) for (const name of sets) taken.set(name, takeIn(name));
    });
    after(async () => {
      await Promise.allSettled(taken.values());
      await rm(kept, { recursive: true });
    });

    for (const name of sets)
      it(`agrees with the expected counts of ${name}`, async function () {
        if (!taken.has(name)) skip(this, `import of ${name}: the data sets are not at ../shared/data`);
        const facts = (JSON.parse(readFileSync(counts, 'utf8')) as Record<string, Record<string, number>>)[name]!;
        const { code, out, err } = await taken.get(name)!;
        expect([code, err]).to.deep.equal([0, '']);
        const { events, distinctIds, repeatedIds, correlations, danglingCauses, withoutTime, types } = facts;
        expect(out)
          .to.contain(`${grouped(events!)} lines in`)
          .and.contain(`(${types} types)`);
        expect(out).to.contain(`${grouped(distinctIds!)} stored · 0 duplicates · ${repeatedIds} refused`);
        expect(out).to.contain(`the largest of ${correlations} correlations`);
        for (const [type, count] of Object.entries(facts['topTypes'] as unknown as Record<string, number>))
          expect(out).to.match(new RegExp(`  ${type.replaceAll('.', '\\.')} +${grouped(count)}  █`));
        if (danglingCauses! > 0) expect(out).to.contain(`${danglingCauses} events name a cause that is not in the log`);
        if (withoutTime! > 0) expect(out).to.contain(`${withoutTime} lines had no time`);
        expectWithin80Columns(out);
      });
  });

  describe('show', () => {
    it('looks at a log while it is being written', async () => {
      const bus = await createBus({ source: 'writer', store: await logIn(join(home, 'log')) });
      const { event } = await bus.publish('order.placed', { n: 1 });
      const first = await telltale(['show', 'log']);
      expect(first.out).to.contain('1 event in 1 correlation');
      await bus.publish('order.failed', { reason: 'no money' }, { correlationId: event.id, causationId: event.id });
      const second = await telltale(['show', 'log', event.id]);
      expect(second.out).to.contain('└─ ✗ order.failed').and.contain('no money');
      await bus.close();
      const json = await commandLine(['show', 'log', '--json'], home);
      expect(JSON.parse(json.out)).to.include({ events: 2, correlations: 1, failed: 1 });
    });
  });

  describe('wrong input', () => {
    const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
      ['a folder that does not exist', ['demo', 'nowhere'], /^telltale: nowhere does not exist; name a folder/],
      ['an unknown option', ['demo', '--bogus'], /^telltale: unknown option '--bogus'\n\(telltale --help/],
      ['an unknown command', ['bogus'], /^telltale: unknown command 'bogus'\n/],
      [
        'a number of readers out of range',
        ['demo', '--readers', '0'],
        /^telltale: expected --readers to be an integer from 1 to 64, got "0"\n$/,
      ],
      ['a seed without chaos', ['demo', '--seed', '7'], /^telltale: --seed belongs to --chaos\n$/],
      [
        'a seed that is no number',
        ['demo', '--chaos', '--seed', 'x'],
        /^telltale: expected --seed to be an integer from 1 to 2147483647, got "x"\n$/,
      ],
      [
        'chaos with a recorded log',
        ['demo', 'prose.txt', '--chaos'],
        /^telltale: --chaos is for reading a folder, not for a recorded log\n$/,
      ],
      [
        'a file that is no recorded log',
        ['demo', 'prose.txt'],
        /^telltale: prose\.txt is not a recorded log: its only line is not a JSON object with a `type`\n$/,
      ],
      ['an empty recorded log', ['import', 'empty.txt'], /^telltale: empty\.txt holds no events: it is empty\n$/],
      ['a log that does not exist', ['show', 'nowhere'], /^telltale: nowhere does not exist; name the folder of a log/],
      ['a folder that is no log', ['show', 'home'], /^telltale: home holds no log; did you mean home\/log\?\n$/],
      [
        'a log from a newer version',
        ['show', 'newer'],
        /^telltale: expected the format of \S+ to be at most 1, got 99 \(number\)\n\(written by a newer telltale/,
      ],
      [
        'a newer log to write to',
        ['import', 'good.ndjson', '--log', 'newer'],
        /^telltale: expected the format of \S+ to be at most 1, got 99/,
      ],
      [
        'an id nobody has',
        ['show', 'home/log', 'zebra'],
        /^telltale: no event and no correlation in home\/log has the id zebra; /,
      ],
      [
        'a log folder that is something else',
        ['demo', 'home', '--log', 'home'],
        /^telltale: home is not empty and holds no log; choose another/,
      ],
      [
        'a log folder that is a file',
        ['import', 'good.ndjson', '--log', 'prose.txt'],
        /^telltale: prose\.txt is a file; name a folder with --log$/m,
      ],
      ['no log folder', ['demo', 'home', '--log', ''], /^telltale: --log is empty; name the folder of the log$/m],
    ];
    let place: string;
    before(async () => {
      place = await mkdtemp(join(tmpdir(), 'telltale-wrong-'));
      const bus = await createBus({ source: 'spec', store: await logIn(join(place, 'home/log')) });
      await bus.publish('note.written', {});
      await bus.close();
      const newer = join(place, 'newer/0000000000000001.ndjson');
      await mkdir(dirname(newer));
      const header = await readFile(join(place, 'home/log/0000000000000001.ndjson'), 'utf8');
      await writeFile(
        newer,
        encodeLine(
          header
            .split('\n')[0]!
            .replace(/"crc":"\w+",/, '')
            .replace('"format":1', '"format":99'),
        ),
      );
      await writeFile(join(place, 'prose.txt'), 'Dear diary');
      await writeFile(join(place, 'empty.txt'), '\n');
      await writeFile(join(place, 'good.ndjson'), '{"type":"note.written"}\n');
    });
    after(() => rm(place, { recursive: true }));

    for (const [what, words, message] of cases)
      it(`is told in one clear line with exit code 2: ${what}`, async () => {
        const { code, err, out } = await commandLine(words, place);
        expect(err).to.match(message);
        expect(code).to.equal(2);
        expect(out).to.equal('');
      });

    it('is told before anything else: a log that somebody else writes to', async () => {
      const bus = await createBus({ source: 'spec', store: await logIn(join(home, 'log')) });
      const { code, err, out } = await telltale(['import', awkward, '--log', 'log']);
      await bus.close();
      expect(err).to.match(/^telltale: expected the log to be free, but \S+lock says it is open in process \d+/);
      expect(err).to.match(/\n\(meanwhile to look at it: node \S+ show log\)\n$/);
      expect([code, out]).to.deep.equal([2, '']);
    });
  });
});

async function logIn(folder: string) {
  await mkdir(folder, { recursive: true });
  return jsonFile(folder);
}
