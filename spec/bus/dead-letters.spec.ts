import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock } from '../../lib/clock.ts';
import type { Metadata } from '../../lib/event/event.ts';
import type { DeadLetter } from '../../lib/store/letter.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { codeOf } from '../support/code-of.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { logged } from '../support/logged.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { stall } from '../support/stall.ts';
import { turn } from '../support/turn.ts';

const fail = (message = 'no'): never => {
  throw new Error(message);
};
const quiet = {
  on: (bus: { on(pattern: string, handler: () => void): unknown }) => bus.on('$bus.**', () => undefined),
};

const overflow = async (policy: 'reject' | 'drop-oldest', events: number) => {
  const test = await createTestBus();
  quiet.on(test.bus);
  test.bus.on('a', () => new Promise(() => undefined), { mailbox: { max: 2, overflow: policy } });
  for (let i = 0; i < events; i++) test.bus.emit('a', i);
  await test.bus.flush();
  return test;
};

describe('dead letters', () => {
  describe('with a store', () => {
    it('are events of their own entities that refer to the stored event by position and belong to its chain', async () => {
      const store = memory();
      const { bus } = await createTestBus({ store });
      quiet.on(bus);
      bus.on('b', () => fail('cannot parse'));
      bus.on('a', () => bus.emit('b', null));
      const a = bus.emit('a', null);
      await bus.flush();
      const [letter, ...others] = await bus.deadLetters.list();
      expect(others).to.deep.equal([]);
      expect(letter).to.deep.include({
        reason: 'handler-failed',
        eventType: 'b',
        correlationId: a.id,
        recipient: 'b',
        attempts: 1,
        count: 1,
        position: 2,
      });
      expect(letter!.error).to.include({ name: 'Error', message: 'cannot parse' });
      expect(letter).to.not.have.any.keys('escaped', 'hash');
      const stored = (await logged(store, true)).find(({ type }) => type === '$dead-letter.opened')!;
      expect(stored).to.deep.include({
        id: letter!.id,
        entity: `$dead-letters/${letter!.id}`,
        correlationId: a.id,
        causationId: letter!.eventId,
      });
      expect(await bus.deadLetters.get(letter!.id)).to.deep.equal(letter);
      expect(await bus.deadLetters.get('none')).to.equal(undefined);
    });

    it('survive a restart', async () => {
      const store = memory();
      const first = await createTestBus({ store });
      quiet.on(first.bus);
      first.bus.on('a', () => fail());
      first.bus.emit('a', null);
      await first.bus.close();
      const { bus } = await createTestBus({ store });
      expect(await bus.deadLetters.list()).to.have.length(1);
    });

    it('wait for the end of the write, so that they can name the position', async () => {
      const { bus } = await createTestBus();
      quiet.on(bus);
      bus.on('a', () => fail());
      bus.emit('a', null);
      expect(bus.metrics().deadLetters).to.equal(0);
      await bus.flush();
      expect((await bus.deadLetters.list())[0]).to.include({ position: 1 });
    });

    it('bear the time of the failure, not of their writing', async () => {
      const store = new FlakyStore();
      const { bus, clock } = await createTestBus({ store });
      const goOn = stall(store);
      quiet.on(bus);
      bus.on('a', () => fail());
      const a = bus.emit('a', null);
      await clock.advance(500);
      goOn();
      await bus.flush();
      const [letter] = await bus.deadLetters.list();
      const stored = (await logged(store, true)).find(({ type }) => type === '$dead-letter.opened')!;
      expect([letter!.time - a.time, stored.time - a.time]).to.deep.equal([0, 0]);
    });

    it('are listed newest first, those in memory among those in the log', async () => {
      const { bus, clock } = await createTestBus();
      quiet.on(bus);
      bus.on('a', () => fail());
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) {
        ids.unshift(bus.emit('a', i).id);
        await bus.flush();
        await clock.advance(10);
      }
      expect((await bus.deadLetters.list()).map(({ eventId }) => eventId)).to.deep.equal(ids);
      expect((await bus.deadLetters.list({ limit: 2 })).map(({ eventId }) => eventId)).to.deep.equal(ids.slice(0, 2));
    });

    it('refuse a bad limit and unknown options', async () => {
      const { bus } = await createTestBus();
      for (const bad of [{ limit: 0 }, { limit: 1.5 }, { limit: 10_001 }, { first: 1 }, null, 7])
        expect((await rejectionOf(bus.deadLetters.list(bad as never))).code).to.equal('INVALID_OPTION');
    });
  });

  describe('without a store', () => {
    it('stay in memory, the newest 1,000, with the event in escaped form', async () => {
      const bus = await createBus();
      quiet.on(bus);
      bus.on('a', () => fail());
      for (let i = 0; i < 1_500; i++) bus.emit('a', i);
      const letters = await bus.deadLetters.list({ limit: 10_000 });
      expect(letters).to.have.length(1_000);
      expect(JSON.parse(letters[0]!.escaped!)).to.deep.include({ type: 'a', payload: 1_499 });
      expect(JSON.parse(letters[999]!.escaped!)).to.deep.include({ payload: 500 });
      expect(bus.metrics().deadLetters).to.equal(1_500);
      expect(await bus.deadLetters.get(letters[3]!.id)).to.deep.equal(letters[3]);
    });

    it('can be looked at when the bus has closed: what was cut is nowhere else', async () => {
      const clock = createVirtualClock();
      const bus = await createBus({ clock });
      bus.on('a', () => new Promise(() => undefined));
      bus.emit('a', 1);
      await Promise.all([bus.close(), clock.advance(60_000)]);
      const [letter] = await bus.deadLetters.list();
      expect(letter).to.include({ reason: 'cut', eventType: 'a' });
      expect(await bus.deadLetters.get(letter!.id)).to.deep.equal(letter);
    });
  });

  describe('of what admission refused', () => {
    const self: Record<string, unknown> = {};
    self['self'] = self;
    const deep = (levels: number): unknown => (levels === 0 ? 0 : [deep(levels - 1)]);
    const refusals: readonly (readonly [string, unknown])[] = [
      ['PAYLOAD_BAD_STRING', { text: 'nul \u0000' }],
      ['PAYLOAD_BAD_STRING', { text: 'lone \ud800' }],
      ['PAYLOAD_BAD_NUMBER', { n: NaN }],
      ['PAYLOAD_BAD_NUMBER', { n: Infinity }],
      ['PAYLOAD_NOT_PLAIN', { n: 1n }],
      ['PAYLOAD_NOT_PLAIN', { at: new Date(0) }],
      ['PAYLOAD_NOT_PLAIN', new Map()],
      ['PAYLOAD_NOT_PLAIN', { f: () => undefined }],
      ['PAYLOAD_NOT_PLAIN', new AbortController()],
      ['PAYLOAD_CYCLE', self],
      ['PAYLOAD_TOO_DEEP', deep(101)],
      ['PAYLOAD_FORBIDDEN_KEY', JSON.parse('{"__proto__": 1}')],
      ['PAYLOAD_TOO_LARGE', 'x'.repeat(5_000)],
    ];
    const ways = ['emit', 'publish', 'batch'] as const;

    for (const way of ways)
      for (const [code, value] of refusals)
        for (const where of ['payload', 'metadata'] as const) {
          if (where === 'metadata' && (typeof value === 'string' || Array.isArray(value))) continue;
          it(`${way}: ${code} in ${where} is a letter in escaped form, ${describeValue(value)}`, async () => {
            const { bus, events } = await createTestBus({ maxEventBytes: 4_096 });
            const payload = where === 'payload' ? value : null;
            const options = { entity: 'task/7', ...(where === 'metadata' && { metadata: value as Metadata }) };
            if (way === 'publish') {
              const error = await rejectionOf(bus.publish('a', payload, options));
              expect(error.code).to.equal(code);
            } else {
              const batch = bus.batch();
              const attempt = (): unknown =>
                way === 'emit' ? bus.emit('a', payload, options) : batch.add('a', payload, options);
              expect(codeOf(attempt)).to.equal(code);
            }
            await bus.flush();
            const [letter] = await bus.deadLetters.list();
            expect(letter).to.include({ reason: 'refused', eventType: 'a', eventId: '', attempts: 0 });
            expect(letter!.error.code).to.equal(code);
            expect(JSON.parse(letter!.escaped!)).to.include({ type: 'a', entity: 'task/7' });
            expect(letter!.hash).to.match(/^[\w-]{43}$/);
            expect(events).to.deep.equal([]);
          });
        }

    it('keep what is too large up to 64 KiB, with the hash of the whole', async () => {
      const { bus } = await createTestBus();
      expect(codeOf(() => bus.emit('a', ['é'.repeat(100_000), new Date(0)]))).to.equal('PAYLOAD_NOT_PLAIN');
      await bus.flush();
      const [letter] = await bus.deadLetters.list();
      const bytes = Buffer.byteLength(letter!.escaped!);
      expect(bytes).to.be.within(64 * 1024 - 4, 64 * 1024);
      const whole = JSON.stringify({ type: 'a', payload: ['é'.repeat(100_000), new Date(0).toISOString()] });
      expect(whole.startsWith(letter!.escaped!)).to.equal(true);
      expect(letter!.hash).to.equal(createHash('sha256').update(whole).digest('base64url'));
    });

    it('stay in memory where the store has no room for an event of their size', async () => {
      const store = memory({ maxEventBytes: 1_024 });
      const { bus } = await createTestBus({ store });
      expect(codeOf(() => bus.emit('a', { text: 'x'.repeat(200), at: new Date(0) }))).to.equal('PAYLOAD_NOT_PLAIN');
      await bus.flush();
      expect(await logged(store, true)).to.deep.equal([]);
      expect(await bus.deadLetters.list()).to.have.length(1);
    });

    it('belong to the chain of the handler that tried, and name its event as the cause', async () => {
      const store = memory();
      const { bus } = await createTestBus({ store });
      quiet.on(bus);
      bus.on('a', () => bus.emit('b', new Date()));
      const a = bus.emit('a', null);
      await bus.flush();
      const stored = (await logged(store, true)).filter(({ type }) => type === '$dead-letter.opened');
      const refused = stored.find(({ payload }) => (payload as DeadLetter).reason === 'refused');
      expect(refused).to.deep.include({ correlationId: a.id, causationId: a.id });
    });

    it('belong to the chain the caller named', async () => {
      const store = memory();
      const { bus } = await createTestBus({ store });
      const options = { id: 'e1', correlationId: 'chain', causationId: 'e0' };
      expect(codeOf(() => bus.emit('a', new Date(), options))).to.equal('PAYLOAD_NOT_PLAIN');
      await bus.flush();
      const [stored] = await logged(store, true);
      expect(stored).to.deep.include({ correlationId: 'chain', causationId: 'e0' });
      expect(stored!.payload).to.include({ eventId: 'e1', correlationId: 'chain' });
    });

    it('are written whatever the refused event was called, and the caller hears the first refusal', async () => {
      const store = memory();
      const { bus } = await createTestBus({ store, maxChain: 2, maxEventBytes: 1_024 });
      quiet.on(bus);
      const hostile = '\ud800\u0000'.repeat(200);
      const attempts: readonly (readonly [string, () => unknown])[] = [
        ['INVALID_TYPE', () => bus.emit(hostile, null)],
        ['INVALID_TYPE', () => bus.emit(7 as never, null)],
        ['INVALID_ID', () => bus.emit('a', null, { id: hostile })],
        ['INVALID_ID', () => bus.emit('a', null, { correlationId: hostile })],
        ['INVALID_ID', () => bus.emit('a', null, { causationId: '' })],
        ['INVALID_ENTITY', () => bus.emit('a', null, { entity: hostile })],
        ['INVALID_TIME', () => bus.emit('a', null, { time: hostile })],
        ['INVALID_OPTION', () => bus.emit('a', null, { [hostile]: 1 })],
      ];
      for (const [code, attempt] of attempts) expect(codeOf(attempt), code).to.equal(code);
      bus.on('a', () => bus.emit('b', null));
      bus.on('b', () => bus.emit('c', null));
      bus.emit('a', null);
      await bus.flush();
      const letters = (await logged(store, true))
        .filter(({ type }) => type === '$dead-letter.opened')
        .map(({ payload }) => payload as DeadLetter);
      expect(letters.filter(({ reason }) => reason === 'refused').map(({ error }) => error.code)).to.have.members([
        ...attempts.map(([code]) => code),
        'CAUSATION_TOO_DEEP',
      ]);
    });
  });

  it('of a handler that throws anything at all describe it and harm nobody', async () => {
    const { bus } = await createTestBus();
    quiet.on(bus);
    const unreadable = new Error('x');
    Object.defineProperty(unreadable, 'message', { get: () => fail('gotcha') });
    const thrown: readonly unknown[] = [
      'text',
      undefined,
      null,
      7n,
      new Proxy({}, { getPrototypeOf: () => fail(), get: () => fail() }),
      unreadable,
      new Error('lone \ud800 and nul \u0000'),
      Object.assign(new Error('long'.repeat(100_000)), { code: 'E'.repeat(10_000) }),
    ];
    bus.on('a', ({ payload }) => {
      throw thrown[payload as number];
    });
    const seen: unknown[] = [];
    bus.on('a', ({ payload }) => void seen.push(payload));
    for (const i of thrown.keys()) bus.emit('a', i);
    await bus.flush();
    expect(seen).to.deep.equal([...thrown.keys()]);
    const letters = await bus.deadLetters.list();
    expect(letters).to.have.length(thrown.length);
    for (const { error } of letters) expect(error.message.length).to.be.at.most(8_192);
    const sub = bus.metrics().subscriptions.find(({ pattern, failed }) => pattern === 'a' && failed > 0);
    expect(sub).to.include({ routed: thrown.length, failed: thrown.length, running: 0 });
  });

  describe('of full mailboxes', () => {
    it('are opened one by one for what is turned away, and say by whom', async () => {
      const { bus } = await overflow('reject', 5);
      const letters = await bus.deadLetters.list();
      expect(letters.map(({ position, reason, count }) => [position, reason, count])).to.deep.equal([
        [5, 'mailbox-full', 1],
        [4, 'mailbox-full', 1],
      ]);
      expect(letters[0]).to.include({ recipient: 'a' });
      expect(letters[0]!.error.message).to.include('2 of 2 events');
    });

    it('are summed up for what a policy drops on purpose: one a second, naming the last', async () => {
      const { bus, clock } = await overflow('drop-oldest', 10);
      expect(await bus.deadLetters.list()).to.deep.equal([]);
      await clock.advance(1_000);
      await bus.flush();
      const letters = await bus.deadLetters.list();
      expect(letters.map(({ reason, count, position }) => [reason, count, position])).to.deep.equal([
        ['dropped', 7, 8],
      ]);
    });

    it('are summed up beyond 100 a second, and every drop is counted in one of them', async () => {
      const { bus, clock } = await overflow('reject', 1_503);
      await clock.advance(1_000);
      await bus.flush();
      const letters = await bus.deadLetters.list({ limit: 10_000 });
      expect(letters).to.have.length(101);
      expect(letters.reduce((sum, { count }) => sum + count, 0)).to.equal(1_500);
    });

    it('are opened at the latest when the bus closes', async () => {
      const store = memory();
      const { bus, clock } = await createTestBus({ store, closeTimeout: 10 });
      bus.on('a', () => new Promise(() => undefined), { mailbox: { max: 1, overflow: 'drop-oldest' } });
      for (let i = 0; i < 5; i++) bus.emit('a', i);
      const closing = bus.close();
      await clock.advance(100);
      await closing;
      await store.open();
      const letters = (await logged(store, true)).filter(({ type }) => type === '$dead-letter.opened');
      expect(letters.map(({ payload }) => (payload as DeadLetter).reason)).to.have.members(['dropped', 'cut', 'cut']);
    });
  });

  it('tell of an event that the store refused after its delivery', async () => {
    const { bus, events } = await createTestBus({ payload: 'trust' });
    const refused = bus.publish('a', { at: new Date(0) });
    expect(events).to.have.length(1);
    expect((await rejectionOf(refused)).code).to.equal('PAYLOAD_NOT_PLAIN');
    bus.emit('a', { at: new Date(0) });
    expect((await rejectionOf(bus.flush())).code).to.equal('PAYLOAD_NOT_PLAIN');
    await bus.flush();
    const letters = await bus.deadLetters.list();
    expect(letters).to.have.length(2);
    expect(letters[0]).to.include({ reason: 'not-stored' });
    expect(payloadOf(letters[0]!)).to.deep.equal({ at: new Date(0).toISOString() });
    expect(bus.metrics()).to.include({ unstored: 2, waiting: 0 });
    await turn();
  });
});

function payloadOf({ escaped }: DeadLetter): unknown {
  return (JSON.parse(escaped!) as { payload: unknown }).payload;
}

function describeValue(value: unknown): string {
  if (typeof value === 'string') return `a text of ${value.length}`;
  if (Array.isArray(value)) return 'nested arrays';
  return `an object of ${Object.keys(value as object).join() || 'nothing'}`;
}
