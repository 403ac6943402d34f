import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { createBus, jsonFile, memory, type Bus, type StoredEvent } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { importStream } from '../../plugins/cli/import-stream.ts';
import { readLines } from '../../plugins/cli/lines.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { root } from '../support/root.ts';
import { skip } from '../support/skip.ts';

interface Recorded {
  readonly id: string;
  readonly type: string;
  readonly source: string;
  readonly time?: string;
  readonly correlationId: string;
  readonly payload: unknown;
}

interface Facts {
  readonly events: number;
  readonly distinctIds: number;
  readonly repeatedIds: number;
  readonly correlations: number;
  readonly sources: number;
  readonly withoutTime: number;
  readonly topTypes: Readonly<Record<string, number>>;
}

const shared = join(root, '../shared/data');
const expectedCounts = join(shared, 'expected-counts.json');
const STORES: Readonly<Record<string, (folder: string) => Store>> = {
  memory: () => memory(),
  'json-file': (folder) => jsonFile(folder),
};

const ISO = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Epoch ms, worked out by hand: zone offsets and microseconds are what the sets are there for. */
function epochMs(text: string): number {
  const parts = ISO.exec(text);
  if (!parts) throw new Error(`no time: ${text}`);
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const offsetMinutes =
    parts[8] === undefined ? 0 : (parts[8] === '-' ? -1 : 1) * (Number(parts[9]) * 60 + Number(parts[10]));
  return Date.UTC(year, month - 1, day, hour, minute - offsetMinutes, second) + Number(`0.${parts[7] ?? 0}`) * 1_000;
}

function tally(types: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const type of types) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

async function told(bus: Bus, order: 'position' | 'time', direction: 'forward' | 'backward' = 'forward') {
  const events: StoredEvent[] = [];
  const result = await bus.replay({ into: (event) => void events.push(event), order, direction }).finished;
  expect(result).to.include({ delivered: events.length, failed: 0, skipped: 0, cancelled: false });
  return events;
}

async function* chunks(text: string) {
  yield Buffer.from(text);
}

function expectTheSet(events: readonly StoredEvent[], first: ReadonlyMap<string, Recorded>, facts: Facts): void {
  expect(events.length).to.equal(facts.distinctIds);
  expect(new Set(events.map(({ id }) => id)).size).to.equal(facts.distinctIds);
  expect(new Set(events.map(({ correlationId }) => correlationId)).size).to.equal(facts.correlations);
  expect(new Set(events.map(({ source }) => source)).size).to.equal(facts.sources);
  expect(tally(events.map(({ type }) => type))).to.deep.equal(tally([...first.values()].map(({ type }) => type)));
  const withoutTime = [...first.values()].filter(({ time }) => time === undefined).length;
  expect(events.filter(({ metadata }) => metadata['timeMissing'] === true).length).to.equal(withoutTime);
  const changed = events.filter(({ id, payload }) => !isDeepStrictEqual(payload, first.get(id)!.payload));
  expect(changed, 'of another payload').to.deep.equal([]);
  const moved = events.filter(({ id, time }) => {
    const recorded = first.get(id)!.time;
    return recorded !== undefined && !(Math.abs(time - epochMs(recorded)) <= 1e-3);
  });
  expect(moved, 'of another time').to.deep.equal([]);
}

describe('the recorded sets, told again', function () {
  this.timeout(60_000);
  const names = existsSync(expectedCounts)
    ? Object.keys(JSON.parse(readFileSync(expectedCounts, 'utf8')) as object)
    : [];
  if (names.length === 0)
    it('are there', function () {
      skip(this, 'replays of the recorded sets: they are not at ../shared/data');
    });

  for (const name of names) {
    const facts = (JSON.parse(readFileSync(expectedCounts, 'utf8')) as Record<string, Facts>)[name]!;
    let text: string;
    let ids: readonly string[];
    let first: ReadonlyMap<string, Recorded>;

    before(() => {
      text = execFileSync(process.execPath, [join(shared, `convert-${name}.mjs`)], {
        encoding: 'utf8',
        maxBuffer: 2 ** 26,
      });
      const lines = text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Recorded);
      expect(lines.length).to.equal(facts.events);
      expect(tally(lines.map(({ type }) => type))).to.deep.equal(facts.topTypes);
      ids = [...new Set(lines.map(({ id }) => id))];
      // A repeated id with other content is refused, and one without a time has another with every import.
      first = new Map(lines.toReversed().map((line) => [line.id, line]));
    });

    for (const [kind, createStore] of Object.entries(STORES))
      describe(`${name} in ${kind}`, () => {
        let folder: string;
        let bus: Bus;

        before(async () => {
          folder = mkdtempSync(join(quickFolder(), 'telltale-set-'));
          bus = await createBus({ source: 'import', store: createStore(folder) });
          const { stored, duplicates, refused } = await importStream(bus, readLines(chunks(text))).result;
          expect(stored).to.equal(facts.distinctIds);
          expect(duplicates + refused).to.equal(facts.repeatedIds);
        });

        after(async () => {
          await bus.close();
          rmSync(folder, { recursive: true });
        });

        it('comes in position order, which is that of its lines', async () => {
          const events = await told(bus, 'position');
          expectTheSet(events, first, facts);
          expect(events.map(({ id }) => id)).to.deep.equal(ids);
          const positions = events.map(({ position }) => position);
          expect(positions).to.deep.equal([...new Set(positions)].toSorted((a, b) => a - b));
          expect((await told(bus, 'position', 'backward')).map(({ id }) => id)).to.deep.equal(ids.toReversed());
        });

        it('comes in time order, each time not before the last', async () => {
          const events = await told(bus, 'time');
          expectTheSet(events, first, facts);
          const inOrder = events.toSorted((a, b) => a.time - b.time || a.position - b.position);
          expect(events.map(({ id }) => id)).to.deep.equal(inOrder.map(({ id }) => id));
          const backward = await told(bus, 'time', 'backward');
          expect(backward.map(({ time }) => time)).to.deep.equal(events.map(({ time }) => time).toReversed());
          expectTheSet(backward, first, facts);
        });

        it('is counted by a dry run', async () => {
          const {
            events,
            byType,
            durationMs,
            first: start,
            last,
          } = await bus.replay({ dryRun: true, order: 'time', speed: 'original' }).finished;
          expect(events).to.equal(facts.distinctIds);
          expect(Object.fromEntries(byType.map(({ type, count }) => [type, count]))).to.deep.equal(
            tally([...first.values()].map(({ type }) => type)),
          );
          expect(durationMs).to.be.closeTo(last!.time - start!.time, 1e-3);
        });
      });
  }
});
