import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import fc from 'fast-check';
import { createVirtualClock } from '../../lib/clock.ts';
import { join, type JoinPort } from '../../lib/correlation/join.ts';
import type { JoinOptions } from '../../lib/correlation/join-options.ts';
import type { TelltaleError } from '../../lib/errors.ts';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import { TopicTrie } from '../../lib/event/topic-trie.ts';
import type { Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent } from '../support/event-builder.ts';

type Listener = (event: TelltaleEvent) => void;

/** A bus of one trie: `emit` delivers now and stores behind, `written` waits for that. */
function createPort(store?: Store) {
  const trie = new TopicTrie<Listener>();
  const clock = createVirtualClock();
  let writing: Promise<unknown> = Promise.resolve();
  const closeListeners = new Set<() => void>();
  const port: JoinPort = {
    clock,
    store,
    subscribe: (pattern, listener) => trie.add(pattern, listener),
    written: () => writing,
    onClose: (listener) => {
      closeListeners.add(listener);
      return () => closeListeners.delete(listener);
    },
  };
  const deliver = (event: TelltaleEvent): void => trie.match(event.type).forEach((listener) => listener(event));
  const emit = (event: TelltaleEvent): void => {
    if (store) writing = writing.then(() => store.append([event]));
    deliver(event);
  };
  const close = (): void => closeListeners.forEach((listener) => listener());
  return { port, clock, emit, deliver, close, listeners: () => trie.size + closeListeners.size };
}

const parsed = (id: string, correlationId = 'c'): TelltaleEvent =>
  buildEvent({ id, type: 'file.parsed', correlationId });
const failed = (id: string): TelltaleEvent => buildEvent({ id, type: 'file.failed', correlationId: 'c' });
const ids = (events: readonly TelltaleEvent[]): string => events.map(({ id }) => id).join(' ');

async function openStore(): Promise<Store> {
  const store = memory();
  await store.open();
  return store;
}

async function refusal(asked: Promise<unknown>): Promise<TelltaleError> {
  try {
    await asked;
  } catch (error) {
    return error as TelltaleError;
  }
  throw new Error('nothing was refused');
}

describe('join', () => {
  it('counts stored events and those that still come, each once', async () => {
    const store = await openStore();
    await store.append([parsed('1'), parsed('other', 'd')]);
    const bus = createPort(store);
    const joined = join(bus.port, 'c', { 'file.parsed': 3 });
    bus.emit(parsed('2'));
    bus.emit(parsed('elsewhere', 'd'));
    bus.deliver(parsed('1'));
    bus.emit(parsed('3'));
    const result = await joined;
    expect(result).to.include({ complete: true });
    expect(ids(result.events)).to.equal('1 2 3');
    expect(result.missing).to.deep.equal({});
    expect(bus.listeners()).to.equal(0);
  });

  it('misses no event that was delivered before it listened and stored after', async () => {
    const store = await openStore();
    const bus = createPort(store);
    bus.emit(parsed('1'));
    expect(ids((await join(bus.port, 'c', { 'file.parsed': 1 })).events)).to.equal('1');
  });

  it('takes patterns, counts an event for each that covers it, and is complete at once when nothing is wanted', async () => {
    const bus = createPort();
    const joined = join(bus.port, 'c', { 'file.*': 2, 'file.parsed': 1 });
    bus.emit(parsed('1'));
    bus.emit(failed('2'));
    expect(ids((await joined).events)).to.equal('1 2');
    expect((await join(bus.port, 'c', { 'file.parsed': 0 })).complete).to.equal(true);
  });

  it('works without a store, on live events alone', async () => {
    const bus = createPort();
    const joined = join(bus.port, 'c', { 'file.parsed': 1 });
    await Promise.resolve();
    bus.emit(parsed('1'));
    expect(ids((await joined).events)).to.equal('1');
  });

  it('rejects with the event when one comes that must not', async () => {
    const bus = createPort();
    const joined = refusal(join(bus.port, 'c', { 'file.parsed': 3 }, { failOn: ['**.failed', 'file.lost'] }));
    bus.emit(parsed('1'));
    bus.emit(failed('bad'));
    const error = await joined;
    expect(error).to.include({ code: 'JOIN_FAILED' });
    expect(error.message).to.equal('the join of `c` ended with `file.failed` (bad); missing: 2 of 3 `file.parsed`');
    expect(error.details['event']).to.include({ id: 'bad' });
    expect(bus.listeners()).to.equal(0);
  });

  it('sees a stored failure, unless the join was complete before it', async () => {
    const store = await openStore();
    await store.append([parsed('1'), failed('bad'), parsed('2')]);
    const { port } = createPort(store);
    const options: JoinOptions = { failOn: 'file.failed' };
    expect((await join(port, 'c', { 'file.parsed': 1 }, options)).complete).to.equal(true);
    expect((await refusal(join(port, 'c', { 'file.parsed': 2 }, options))).code).to.equal('JOIN_FAILED');
  });

  it('resolves with what there is when a partial answer will do', async () => {
    const bus = createPort();
    const joined = join(bus.port, 'c', { 'file.parsed': 2 }, { failOn: 'file.failed', partial: true });
    bus.emit(parsed('1'));
    bus.emit(failed('bad'));
    bus.emit(parsed('2'));
    const result = await joined;
    expect(result).to.deep.include({ complete: false, missing: { 'file.parsed': 1 } });
    expect(ids(result.events)).to.equal('1');
  });

  it('names what is missing when the time is over', async () => {
    const bus = createPort();
    const joined = refusal(join(bus.port, 'c', { 'file.parsed': 2, 'file.read': 1 }, { timeout: '30s' }));
    const partial = join(bus.port, 'c', { 'file.parsed': 2 }, { timeout: '30s', partial: true });
    bus.emit(parsed('1'));
    await bus.clock.advance(29_999);
    expect(bus.listeners()).to.be.above(0);
    await bus.clock.advance(1);
    const error = await joined;
    expect(error.code).to.equal('TIMEOUT');
    expect(error.message).to.equal(
      'the join of `c` was not complete after 30000 ms; missing: 1 of 2 `file.parsed`, 1 of 1 `file.read`',
    );
    expect(await partial).to.deep.include({ complete: false, missing: { 'file.parsed': 1 } });
    expect(bus.listeners()).to.equal(0);
  });

  it('ends when it is aborted or the bus closes', async () => {
    const bus = createPort();
    const controller = new AbortController();
    const aborted = refusal(join(bus.port, 'c', { a: 1 }, { signal: controller.signal, partial: true }));
    const closed = refusal(join(bus.port, 'c', { a: 1 }));
    const partial = join(bus.port, 'c', { a: 1 }, { partial: true });
    const other = new AbortController();
    await join(bus.port, 'c', { a: 0 }, { signal: other.signal });
    expect(getEventListeners(other.signal, 'abort')).to.have.length(0);
    controller.abort();
    bus.close();
    expect((await aborted).code).to.equal('ABORTED');
    expect((await closed).code).to.equal('BUS_CLOSED');
    expect((await partial).complete).to.equal(false);
    expect((await refusal(join(bus.port, 'c', { a: 1 }, { signal: AbortSignal.abort() }))).code).to.equal('ABORTED');
    expect(bus.listeners()).to.equal(0);
  });

  it('passes on what the store’s reading throws', async () => {
    const store = memory();
    expect((await refusal(join(createPort(store).port, 'c', { a: 1 }))).code).to.equal('STORE_CLOSED');
  });

  it('refuses malformed arguments', async () => {
    const { port } = createPort();
    const ask = (wanted: unknown, options?: unknown, correlationId: unknown = 'c'): Promise<TelltaleError> =>
      refusal(join(port, correlationId as string, wanted as Record<string, number>, options as JoinOptions));
    for (const wanted of [{}, null, [], { a: -1 }, { a: 1.5 }, { a: '2' }])
      expect((await ask(wanted)).code).to.equal('INVALID_OPTION');
    for (const options of [{ failon: 'a' }, { partial: 1 }, 7])
      expect((await ask({ a: 1 }, options)).code).to.equal('INVALID_OPTION');
    for (const id of ['', null, 5]) expect((await ask({ a: 1 }, {}, id)).code).to.equal('INVALID_ID');
    expect((await ask({ a: 1 }, { signal: {} })).code).to.equal('INVALID_OPTION');
    expect((await ask({ 'a*': 1 })).code).to.equal('INVALID_PATTERN');
    expect((await ask({ a: 1 }, { failOn: '' })).code).to.equal('INVALID_PATTERN');
    expect((await ask({ a: 1 }, { timeout: 'soon' })).code).to.equal('INVALID_DURATION');
  });

  it('counts without gap or duplicate however storing and reading interleave', async () => {
    const step = fc.constantFrom('emit', 'turn', 'again');
    await fc.assert(
      fc.asyncProperty(fc.nat(5), fc.array(step, { maxLength: 30 }), async (early, steps) => {
        const store = await openStore();
        const bus = createPort(store);
        let serial = 0;
        for (let index = 0; index < early; index++) bus.emit(parsed(String(serial++)));
        const wanted = early + steps.filter((name) => name === 'emit').length;
        const joined = join(bus.port, 'c', { 'file.parsed': wanted });
        for (const name of steps) {
          if (name === 'emit') bus.emit(parsed(String(serial++)));
          if (name === 'turn') await new Promise((resolve) => setImmediate(resolve));
          if (name === 'again' && serial > 0) bus.deliver(parsed('0'));
        }
        const { events, complete } = await joined;
        expect(complete).to.equal(true);
        expect(ids(events)).to.equal(Array.from({ length: wanted }, (_, index) => index).join(' '));
        await bus.port.written?.();
        await store.close();
      }),
      { numRuns: 200 },
    );
  });
});
