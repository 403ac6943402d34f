import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { buildEvent } from '../../plugins/contract/build-event.ts';
import { checkKeys } from '../../plugins/sqlite/check-rows.ts';
import { Connection } from '../../plugins/sqlite/connection.ts';
import type { SqlRow, SqlValue } from '../../plugins/sqlite/driver.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { Findings, rowsOf } from '../../plugins/sqlite/findings.ts';
import { verify } from '../../plugins/sqlite/index.ts';
import type { SqliteStore } from '../../plugins/sqlite/store.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { withEachDriver } from './drivers.ts';
import { cleanUp, freshStore, pathOf } from './files.ts';

const NO_TEXT = `CAST(x'61ff' AS TEXT)`;

/** What somebody does to the file, and what has to be found; a position where it has one. */
const DAMAGES: readonly (readonly [what: string, sql: string, problem: RegExp, position?: number])[] = [
  // Events
  ['a payload', `UPDATE telltale_events SET payload = '1' WHERE position = 9`, /checksum/, 9],
  ['a type that is no text', `UPDATE telltale_events SET type = ${NO_TEXT} WHERE position = 9`, /cannot be read/, 9],
  ['a lowered storedAt', 'UPDATE telltale_events SET stored_at = 1 WHERE position = 9', /checksum/, 9],
  ['a size', 'UPDATE telltale_events SET bytes = bytes + 1 WHERE position = 9', /checksum/, 9],
  ['a missing event', 'DELETE FROM telltale_events WHERE position = 9', /no event and no removal .* up to 9/, 9],
  // What is left of removed ones
  ['a missing tombstone', 'DELETE FROM telltale_tombstones WHERE position = 4', /2 tombstones .* up to 4, and 1 /, 4],
  ['all of them', 'DELETE FROM telltale_tombstones', /1 tombstones .* up to 7, and 0 /, 7],
  ['a hash', `UPDATE telltale_tombstones SET hash = 'x' WHERE position = 3`, /telltale_tombstones\) is damaged/, 3],
  ['no hash', `UPDATE telltale_tombstones SET hash = ${NO_TEXT} WHERE position = 3`, /tombstones\) is damaged/, 3],
  ['a revision', 'UPDATE telltale_tombstones SET revision = 1 WHERE position = 4', /tombstones\) is damaged/, 4],
  ['an entity', 'UPDATE telltale_tombstones SET entity = NULL WHERE position = 4', /tombstones\) is damaged/, 4],
  ['a moved one', 'UPDATE telltale_tombstones SET position = 9 WHERE position = 4', /where no removal is recorded/, 9],
  ['a reason', `UPDATE telltale_removals SET reason = ${NO_TEXT}`, /telltale_removals\) is damaged/, 3],
  ['a missing removal', 'DELETE FROM telltale_removals WHERE from_position = 3', /no removal is recorded up to 4/, 3],
  ['a second one', `INSERT INTO telltale_removals VALUES (10, 11, 'x', 0, 0)`, /both an event and a removal/, 10],
  // The index of paths
  ['a missing key', 'DELETE FROM telltale_keys WHERE position = 9', /telltale_keys\) does not have/, 9],
  ['another key', `UPDATE telltale_keys SET key = '=77' WHERE position = 9`, /telltale_keys\) has a value/, 9],
  ['one too much', `INSERT INTO telltale_keys SELECT path, '=77', 9 FROM telltale_keys LIMIT 1`, /has a value/, 9],
  ['of a removed event', `INSERT INTO telltale_keys SELECT path, key, 4 FROM telltale_keys LIMIT 1`, /has a value/, 4],
  ['of no path', `INSERT INTO telltale_keys VALUES (77, '=1', 9)`, /path 77, which is not in telltale_paths/, 9],
  ['a path', `UPDATE telltale_paths SET path = ${NO_TEXT} WHERE path = 'payload.n'`, /telltale_paths\) is damaged/],
  // Documents
  ['a document that is no JSON', `UPDATE telltale_documents SET value = '{'`, /c\/k \(telltale_documents\) is damaged/],
  ['one that is no text', `UPDATE telltale_documents SET value = ${NO_TEXT}`, /c\/k \(telltale_documents\) is damaged/],
  ['its collection', `UPDATE telltale_documents SET collection = ${NO_TEXT}`, /\(telltale_documents\) is damaged/],
  ['one ahead of the log', 'UPDATE telltale_documents SET named = 99', /names position 99/, 99],
  ['an etag that is still to come', `UPDATE telltale_documents SET etag = '9'`, /etag 9, and only 1 are counted/],
  // Counters
  ['no counters', 'DELETE FROM telltale_log', /the counters of the log are missing/],
  ['a head too far', 'UPDATE telltale_log SET position = 30', /no event and no removal .* up to 30/, 21],
  ['a head behind', 'UPDATE telltale_log SET position = 10', /head \(telltale_log\) is 10/, 11],
  ['its lowered storedAt', 'UPDATE telltale_log SET stored_at = 5', /the head \(telltale_log\) at 5/, 20],
  ['too few events', 'UPDATE telltale_log SET events = 3', /3 events of \d+ bytes are counted \(telltale_log\)/],
  ['too few bytes', 'UPDATE telltale_log SET bytes = 3', /17 events of 3 bytes are counted \(telltale_log\)/],
  // Tables
  ...['log', 'events', 'tombstones', 'removals', 'changes', 'paths', 'keys', 'documents', 'search'].map(
    (name) => [`no ${name}`, `DROP TABLE telltale_${name}`, new RegExp(`^table telltale_${name} is missing$`)] as const,
  ),
  ['a missing column', 'ALTER TABLE telltale_documents DROP COLUMN named', /^table .*_documents misses .* named$/],
  ...['events_id', 'events_type', 'events_entity', 'events_time', 'tombstones_id', 'tombstones_entity'].map(
    (name) => [`no index ${name}`, `DROP INDEX telltale_${name}`, new RegExp(`^index telltale_${name} is m`)] as const,
  ),
  [
    'another index',
    'DROP INDEX telltale_events_id; CREATE INDEX telltale_events_id ON telltale_events (id)',
    /^index telltale_events_id is another one$/,
  ],
  ['a missing trigger', 'DROP TRIGGER telltale_search_removed', /^trigger telltale_search_removed is missing$/],
];

describe('sqlite: verify', function () {
  this.timeout(60_000);

  withEachDriver((driver) => {
    /** A log with some of everything, changed by `sql`. */
    async function findingsIn(sql: string): ReturnType<typeof verify> {
      const store = freshStore({ driver, index: ['payload.n'], search: true });
      try {
        await store.open();
        for (let n = 1; n <= 20; n++)
          await store.append([buildEvent({ entity: n % 5 === 0 ? undefined : 'task/a', payload: { n } })]);
        await store.remove(
          [3, 4, 7].map((position) => ({ from: position, to: position })),
          'old',
        );
        await store.putDocument('c', 'k', { position: 5 }, { position: 5 });
        await store.close();
        const own = loadDriver(driver).open(pathOf(store));
        own.exec(sql);
        own.close();
        return await verify(pathOf(store), { driver });
      } finally {
        cleanUp(store);
      }
    }

    it(`finds nothing in a whole file, with ${driver}`, async () => {
      expect(await findingsIn('')).to.deep.include({ head: 20, events: 17, findings: [], found: 0 });
    });

    it(`begins each page of keys where the one before ended, and sorts none, with ${driver}`, async () => {
      const store = freshStore({ driver, index: ['payload.n'] });
      await store.open();
      await store.append([buildEvent({ payload: { n: 1 } })]);
      await store.close();
      const database = loadDriver(driver).open(pathOf(store));
      const plans: unknown[] = [];
      class Explaining extends Connection {
        override all(sql: string, parameters: readonly SqlValue[] = []): readonly SqlRow[] {
          if (sql.includes('FROM telltale_keys'))
            plans.push(...database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(parameters));
          return super.all(sql, parameters);
        }
      }
      await checkKeys(new Explaining(database), new Map(), new Findings());
      database.close();
      cleanUp(store);
      const told = plans.map((row) => (row as SqlRow)['detail']).join();
      expect(told)
        .to.match(/SEARCH telltale_keys USING .*\(path,key,position\)>/)
        .and.not.include('TEMP B-TREE');
    });

    for (const [what, sql, problem, position] of DAMAGES)
      it(`finds ${what}, with ${driver}`, async () => {
        const { findings, found } = await findingsIn(sql);
        const match = findings.find((finding) => problem.test(finding.problem));
        expect(match, JSON.stringify(findings)).to.deep.include(position === undefined ? {} : { position });
        expect(found).to.equal(findings.length);
      });

    it(`finds blocks of texts that do not say what their events do, with ${driver}`, async () => {
      const store = freshStore({ driver, search: true });
      await store.open();
      await store.append(Array.from({ length: 1_100 }, (_, n) => buildEvent({ payload: { text: `word ${n}` } })));
      await (store as SqliteStore).idle();
      await store.close();
      expect(await verify(pathOf(store), { driver })).to.deep.include({ events: 1_100, findings: [] });
      for (const [sql, positions] of [
        ['DELETE FROM telltale_search WHERE block = 1', [513]],
        [`UPDATE telltale_search SET places = x'0100' WHERE block = 0 AND trigram = 'wor'`, [1, 513]],
      ] as const) {
        const own = loadDriver(driver).open(pathOf(store));
        own.exec(sql);
        own.close();
        const { findings } = await verify(pathOf(store), { driver });
        expect(findings.map(({ position }) => position)).to.deep.equal(positions);
        expect(findings[0]!.problem).to.include('telltale_search');
      }
      cleanUp(store);
    });

    it(`says where in which table it could not go on, with ${driver}`, async () => {
      const store = freshStore({ driver });
      await store.open();
      await store.append(Array.from({ length: 1_100 }, (_, n) => buildEvent({ payload: { n } })));
      await store.close();
      const bytes = readFileSync(pathOf(store));
      const leaves = Array.from({ length: bytes.length / 4_096 }, (_, i) => i * 4_096).filter((at) => bytes[at] === 13);
      const at = leaves[Math.floor(leaves.length / 2)]!;
      const path = `${pathOf(store)}.damaged`;
      writeFileSync(path, bytes.fill(0, at, at + 4_096));
      const { findings } = await verify(path, { driver });
      const told = findings.find(({ problem }) => problem.startsWith('the check of telltale_events could not go on'));
      expect(told?.problem).to.include(`behind position ${told!.position! - 1}: `);
      expect(told!.position).to.be.within(400, 700);
      cleanUp(store);
    });

    it(`finds nothing in an index of more keys than it reads at once, with ${driver}`, async () => {
      const store = freshStore({ driver, index: ['payload.n'] });
      await store.open();
      await store.append(Array.from({ length: 1_100 }, (_, n) => buildEvent({ payload: { n } })));
      await store.close();
      expect(await verify(pathOf(store), { driver })).to.deep.include({ events: 1_100, findings: [] });
      cleanUp(store);
    });

    it(`says what cannot be looked through at all, with ${driver}`, async () => {
      for (const sql of ['DROP TABLE telltale_meta', `UPDATE telltale_meta SET value = ${NO_TEXT}`])
        expect(await rejectionOf(findingsIn(sql))).to.include({ code: 'STORE_CORRUPT' });
    });
  });

  it('goes on to no page that leads back', async () => {
    const pages = [
      [{ position: 1 }, { position: 2 }],
      [{ position: 1 }, { position: 2 }],
    ];
    const reader = { all: () => pages.shift()! } as unknown as Connection;
    const read = async (): Promise<void> => {
      for await (const { position } of rowsOf(reader, '', { keys: ['position'], first: [0], limit: 2 }))
        expect(position).to.be.within(1, 2);
    };
    const { code, message } = await rejectionOf(read());
    expect([code, message.includes('out of order')], message).to.deep.equal(['STORE_CORRUPT', true]);
  });

  it('refuses an option that there is not', async () => {
    const given = { drivr: 1 } as object;
    expect((await rejectionOf(verify('log.db', given))).code).to.equal('INVALID_OPTION');
  });

  it('tells how far it is', async () => {
    const store = freshStore({});
    await store.open();
    await store.append([buildEvent(), buildEvent(), buildEvent()]);
    await store.close();
    const told: [number, number][] = [];
    await verify(pathOf(store), { progress: (...progress) => told.push(progress) });
    expect(told.at(-1)).to.deep.equal([3, 3]);
    cleanUp(store);
  });
});
