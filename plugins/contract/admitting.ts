import assert from 'node:assert/strict';
import type { TelltaleEvent } from '../../lib/plugin.ts';
import { buildEvent } from './build-event.ts';
import { enqueue, idsOf, readAll, rejects } from './harness.ts';
import type { Chapter } from './harness.ts';
import { HOSTILE_STRINGS, PLAIN_VALUES, REFUSED_VALUES } from './hostile-corpus.ts';

/** Larger events are not made for a test. */
const MOST_BYTES = 64 * 1024 * 1024;

export const admitting: Chapter = (test) => {
  test('gives back every plain payload and metadata exactly', async ({ store, nowAndReopened }) => {
    const events = PLAIN_VALUES.map((value) => buildEvent({ payload: value, metadata: { value } }));
    for (const event of events) await store.append([event]);
    await nowAndReopened(async (opened) => assertSame(await readAll(opened), events));
    assertPrototypeIsClean();
  });

  test('gives back hostile text in every field exactly', async ({ store, nowAndReopened }) => {
    const texts = HOSTILE_STRINGS.filter((text) => text.length > 0 && Buffer.byteLength(text) <= 200);
    const events = texts.map((text) =>
      buildEvent({
        id: text,
        source: text,
        entity: `task/${text}`,
        correlationId: text,
        causationId: text,
        metadata: { userId: text },
      }),
    );
    await store.append(events);
    await nowAndReopened(async (opened) => {
      await assertSame(await readAll(opened), events);
      for (const text of texts) {
        assert.deepEqual(await idsOf(opened, { ids: [text] }), [text]);
        assert.deepEqual(await idsOf(opened, { entity: `task/${text}` }), [text]);
        assert.deepEqual(await idsOf(opened, { correlationId: text }), [text]);
        assert.deepEqual(await idsOf(opened, { where: { 'metadata.userId': text } }), [text]);
        assert.equal(await opened.revision(`task/${text}`), 1);
      }
    });
    assertPrototypeIsClean();
  });

  test('turns -0 into 0 and leaves undefined properties out', async ({ store }) => {
    await store.append([buildEvent({ payload: { zero: -0, gone: undefined, kept: null } }), buildEvent({ id: 'b' })]);
    const payload = (await readAll(store))[0]!.payload as Record<string, unknown>;
    assert.deepEqual(Object.entries(payload), [
      ['zero', 0],
      ['kept', null],
    ]);
    assert.ok(Object.is(payload['zero'], 0));
  });

  test('refuses what is not plain data, with the same code as every store', async ({ store }) => {
    for (const [what, value, code] of REFUSED_VALUES) {
      for (const overrides of [{ payload: value }, { payload: { deep: [value] } }, { metadata: { value } }]) {
        const error = await rejects(store.append([buildEvent(overrides)]), code);
        assert.ok(error.message.length > 0, what);
      }
    }
    assert.deepEqual(await idsOf(store), []);
    assertPrototypeIsClean();
  });

  test('refuses the same of payloads that were passed as they are, each append alone', async ({ store }) => {
    const good = buildEvent({ payload: { fine: true } });
    const answers = REFUSED_VALUES.map(([, value, code]) =>
      rejects(enqueue(store, [buildEvent({ payload: value })], { fresh: true, admitted: false }), code),
    );
    const stored = enqueue(store, [good], { fresh: true, admitted: false });
    await Promise.all(answers);
    assert.equal((await stored).position, 1);
    await assertSame(await readAll(store), [good]);
  });

  test('refuses an event larger than maxEventBytes, and takes one just below', async ({ store, skip }) => {
    const { maxEventBytes } = store.supports;
    if (maxEventBytes > MOST_BYTES) skip(`maxEventBytes is ${maxEventBytes}; a test makes at most ${MOST_BYTES} bytes`);
    const large = buildEvent({ payload: 'x'.repeat(maxEventBytes + 1) });
    await rejects(store.append([large]), 'PAYLOAD_TOO_LARGE');
    const unchecked = enqueue(store, [large], { fresh: true, admitted: false, bytes: 0 });
    await rejects(unchecked, 'PAYLOAD_TOO_LARGE');
    const estimated = enqueue(store, [large], { fresh: true, bytes: maxEventBytes + 1 });
    await rejects(estimated, 'PAYLOAD_TOO_LARGE');
    const text = 'x'.repeat(maxEventBytes - 1_024);
    assert.equal((await store.append([buildEvent({ payload: text })])).position, 1);
    assert.equal((await readAll(store))[0]!.payload, text);
  });
};

async function assertSame(actual: readonly TelltaleEvent[], expected: readonly TelltaleEvent[]): Promise<void> {
  assert.equal(actual.length, expected.length);
  actual.forEach((event, i) => {
    const { payload, metadata, id, source, entity, correlationId } = expected[i]!;
    assert.deepEqual([event.id, event.source, event.entity, event.correlationId], [id, source, entity, correlationId]);
    // As text, because the order of keys is part of the promise.
    assert.equal(JSON.stringify(event.payload), JSON.stringify(payload));
    assert.equal(JSON.stringify(event.metadata), JSON.stringify(metadata));
  });
}

function assertPrototypeIsClean(): void {
  assert.deepEqual(Reflect.ownKeys(Object.prototype).length, PROTOTYPE_KEYS);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
}

const PROTOTYPE_KEYS = Reflect.ownKeys(Object.prototype).length;
