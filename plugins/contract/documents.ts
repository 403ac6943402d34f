import assert from 'node:assert/strict';
import { buildEvents } from './build-event.ts';
import { rejects, upTo } from './harness.ts';
import type { Chapter } from './harness.ts';

export const documents: Chapter = (test) => {
  test('keeps documents by collection and key', async ({ store }) => {
    await store.putDocument('checkpoints', 'a', { position: 1 });
    await store.putDocument('checkpoints', 'b', [1, 'two', null]);
    await store.putDocument('schemas', 'a', 'text');
    assert.deepEqual((await store.document('checkpoints', 'a'))?.value, { position: 1 });
    assert.deepEqual((await store.document('schemas', 'a'))?.value, 'text');
    assert.equal(await store.document('schemas', 'b'), undefined);
    assert.equal(await store.document('never', 'a'), undefined);
    const listed = await store.listDocuments('checkpoints');
    assert.deepEqual(
      new Map(listed.map(({ key, value }) => [key, value])),
      new Map<string, unknown>([
        ['a', { position: 1 }],
        ['b', [1, 'two', null]],
      ]),
    );
    assert.deepEqual(await store.listDocuments('never'), []);
  });

  test('gives a new etag with every put', async ({ store }) => {
    const etags: string[] = [];
    for (let i = 0; i < 5; i++) etags.push(await store.putDocument('c', 'k', 'same'));
    await store.deleteDocument('c', 'k');
    for (let i = 0; i < 5; i++) etags.push(await store.putDocument('c', 'k', 'same'));
    assert.equal(new Set(etags).size, 10);
    assert.equal((await store.document('c', 'k'))?.etag, etags[9]);
    assert.equal((await store.listDocuments('c'))[0]?.etag, etags[9]);
  });

  test('puts only over the etag that was read', async ({ store }) => {
    const first = await store.putDocument('c', 'k', 1, { etag: null });
    await rejects(store.putDocument('c', 'k', 2, { etag: null }), 'DOCUMENT_CONFLICT');
    const second = await store.putDocument('c', 'k', 2, { etag: first });
    const error = await rejects(store.putDocument('c', 'k', 3, { etag: first }), 'DOCUMENT_CONFLICT');
    assert.deepEqual([error.details['expected'], error.details['actual']], [first, second]);
    await rejects(store.putDocument('c', 'absent', 3, { etag: first }), 'DOCUMENT_CONFLICT');
    assert.deepEqual((await store.document('c', 'k'))?.value, 2);
    assert.equal(await store.document('c', 'absent'), undefined);
  });

  test('lets exactly one of many racing puts through', async ({ store }) => {
    for (let round = 0, etag: string | null = null; round < 5; round++) {
      const puts = upTo(20).map((i) => store.putDocument('c', 'k', { round, i }, { etag }));
      const winners = (await Promise.allSettled(puts)).filter((answer) => answer.status === 'fulfilled');
      assert.equal(winners.length, 1);
      etag = winners[0]!.value;
      assert.equal((await store.document('c', 'k'))?.etag, etag);
    }
  });

  test('deletes a document, if asked only with the etag that was read', async ({ store }) => {
    const etag = await store.putDocument('c', 'k', 1);
    assert.equal(await store.deleteDocument('c', 'absent'), false);
    assert.equal(await store.deleteDocument('c', 'k', 'another'), false);
    assert.equal(await store.deleteDocument('c', 'k', etag), true);
    assert.equal(await store.deleteDocument('c', 'k'), false);
    assert.equal(await store.document('c', 'k'), undefined);
    await store.putDocument('c', 'k', 2, { etag: null });
  });

  test('keeps a snapshot and hands out what nobody can change', async ({ store }) => {
    const value = { list: [1] };
    const put = store.putDocument('c', 'k', value);
    value.list.push(2);
    await put;
    value.list.push(3);
    const read = (await store.document('c', 'k'))!.value as { list: number[] };
    assert.deepEqual(read, { list: [1] });
    try {
      read.list.push(4);
    } catch (error) {
      assert.ok(error instanceof TypeError);
    }
    assert.deepEqual((await store.document('c', 'k'))!.value, { list: [1] });
  });

  test('takes any well-formed name and refuses others', async ({ store }) => {
    const names = [
      '__proto__',
      'constructor',
      '../../up',
      'a/b',
      'a\\b',
      'é ü',
      'CON',
      '.',
      '*',
      'x'.repeat(200),
      "'; --",
    ];
    for (const name of names) await store.putDocument(name, name, { name });
    for (const name of names) assert.deepEqual((await store.document(name, name))?.value, { name });
    for (const name of ['', '\ud800', 'x'.repeat(300)]) {
      await rejects(store.putDocument('c', name, 1), 'INVALID_OPTION');
      await rejects(store.putDocument(name, 'k', 1), 'INVALID_OPTION');
    }
    assert.deepEqual(Object.keys(Object.prototype), []);
  });

  test('refuses a value that is not plain data', async ({ store }) => {
    await rejects(store.putDocument('c', 'k', { at: new Date() }), 'PAYLOAD_NOT_PLAIN');
    await rejects(store.putDocument('c', 'k', { n: Infinity }), 'PAYLOAD_BAD_NUMBER');
    assert.equal(await store.document('c', 'k'), undefined);
  });

  test('keeps documents and their etags when it is opened anew', async ({ store, reopen }) => {
    const etag = await store.putDocument('c', 'k', { n: 1 });
    await store.putDocument('c', 'gone', 1);
    await store.deleteDocument('c', 'gone');
    const again = await reopen();
    assert.deepEqual(await again.document('c', 'k'), { key: 'k', value: { n: 1 }, etag });
    assert.equal(await again.document('c', 'gone'), undefined);
    const next = await again.putDocument('c', 'k', { n: 2 }, { etag });
    assert.notEqual(next, etag);
  });

  test('takes a document that names a position only up to the head', async ({ store, reopen }) => {
    await store.append(buildEvents(3));
    await store.putDocument('checkpoints', 'c', { position: 3 }, { position: 3 });
    await rejects(store.putDocument('checkpoints', 'c', { position: 4 }, { position: 4 }), 'INVALID_OPTION');
    const again = await reopen();
    assert.deepEqual((await again.document('checkpoints', 'c'))?.value, { position: 3 });
    assert.equal((await again.head()).position, 3);
  });
};
