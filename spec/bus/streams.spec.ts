import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { concatMap, firstValueFrom, map, mergeMap, share, take, tap, toArray } from 'rxjs';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import { createTestBus } from '../../lib/testing.ts';
import { createGate, turn, warningsOf } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

/** The figures of the subscriptions of `a`. */
const figuresOf = (bus: { metrics(): { subscriptions: readonly { pattern: string }[] } }) =>
  bus.metrics().subscriptions.filter(({ pattern }) => pattern === 'a');

async function startObserved() {
  const test = await createTestBus();
  const failed: unknown[] = [];
  const streams: unknown[] = [];
  test.bus.on('$bus.handler.failed', ({ payload }) => void failed.push(payload));
  test.bus.on('$bus.stream.failed', ({ payload }) => void streams.push(payload));
  return { ...test, failed, streams };
}

describe('observe', () => {
  refuseUnhandledRejections();

  it('gives every subscriber the events from then on, and completes when the bus closes', async () => {
    const { bus } = await createTestBus();
    const seen: unknown[] = [];
    const source = bus.observe('a', { where: { payload: { $gt: 1 } } });
    source.subscribe({ next: ({ payload }) => seen.push(payload), complete: () => seen.push('end') });
    for (const payload of [1, 2]) bus.emit('a', payload);
    source.subscribe(({ payload }) => void seen.push(`second ${String(payload)}`));
    bus.emit('a', 3);
    expect(seen).to.deep.equal([2, 3, 'second 3']);
    await bus.close();
    expect(seen.at(-1)).to.equal('end');
  });

  it('isolates a subscriber that throws: it is reported, goes on, and nobody else notices', async () => {
    const { bus, failed } = await startObserved();
    const seen: unknown[] = [];
    const source = bus.observe('a');
    source.subscribe(({ payload }) => {
      seen.push(payload);
      throw new Error('boom');
    });
    source.subscribe(({ payload }) => void seen.push(`other ${String(payload)}`));
    for (const payload of [1, 2]) bus.emit('a', payload);
    await turn();
    expect(seen).to.deep.equal([1, 'other 1', 2, 'other 2']);
    expect(failed).to.have.length(1);
    expect(figuresOf(bus)[0]).to.deep.include({ failed: 2, handled: 0 });
    expect(figuresOf(bus)[1]).to.deep.include({ failed: 0, handled: 2 });
  });

  it('ends only the stream whose operator throws, and reports it', async () => {
    const { bus, failed } = await startObserved();
    const seen: unknown[] = [];
    const source = bus.observe('a');
    source
      .pipe(map(({ payload }) => (payload as { no: { such: string } }).no.such))
      .subscribe((text) => seen.push(text));
    source.subscribe(({ payload }) => void seen.push(payload));
    for (const payload of [1, 2]) bus.emit('a', payload);
    await turn();
    expect(seen).to.deep.equal([1, 2]);
    expect(failed).to.have.length(1);
    expect(figuresOf(bus)).to.have.length(1);
  });

  it('hands an operator’s error to the error callback, in either form', async () => {
    const { bus, failed } = await startObserved();
    const errors: unknown[] = [];
    const broken = bus.observe('a').pipe(tap(() => raise('boom')));
    broken.subscribe({ error: (error) => errors.push((error as Error).message) });
    // oxlint-disable-next-line typescript/no-deprecated -- still in use everywhere
    broken.subscribe(
      () => undefined,
      (error) => errors.push((error as Error).message),
    );
    bus.emit('a', 1);
    await turn();
    expect(errors).to.deep.equal(['boom', 'boom']);
    expect(failed).to.deep.equal([]);
  });

  it('reports what an error or complete callback throws', async () => {
    const { bus, failed, streams } = await startObserved();
    bus
      .observe('a')
      .pipe(tap(() => raise('first')))
      .subscribe({ error: () => raise('second') });
    bus
      .observe('a')
      .pipe(take(1))
      .subscribe({ complete: () => raise('third') });
    bus.emit('a', 1);
    await turn();
    expect(failed).to.have.length(1);
    expect(streams).to.have.length(0);
    expect(bus.metrics().deadLetters).to.equal(2);
  });

  it('reports an asynchronous operator’s failure, which ends that stream', async () => {
    const { bus, streams } = await startObserved();
    for (const operator of [concatMap, mergeMap]) {
      bus
        .observe('a')
        .pipe(operator(async () => raise('later')))
        .subscribe();
    }
    bus.emit('a', 1);
    await turn();
    expect(streams).to.have.length(1);
    expect(streams[0]).to.deep.include({ pattern: 'a', count: 1 });
    expect(figuresOf(bus)).to.deep.equal([]);
  });

  it('warns once where nobody listens to such reports', async () => {
    const { bus } = await createTestBus();
    const warnings = await warningsOf(async () => {
      const source = bus.observe('a').pipe(concatMap(async () => raise('later')));
      source.subscribe();
      source.subscribe();
      bus.emit('a', 1);
      await turn();
    });
    expect(warnings).to.have.length(1);
    expect(warnings[0]!.message).to.include("observe('a')").and.to.include('later');
  });

  it('ends with `take(1)` and leaves no subscription behind', async () => {
    const { bus } = await createTestBus();
    const seen: unknown[] = [];
    bus
      .observe('a')
      .pipe(take(1))
      .subscribe({ next: ({ payload }) => seen.push(payload), complete: () => seen.push('end') });
    const first = firstValueFrom(bus.observe('a'));
    bus.emit('a', 1);
    expect(await first).to.have.property('payload', 1);
    bus.emit('a', 2);
    expect(seen).to.deep.equal([1, 'end']);
    expect(figuresOf(bus)).to.deep.equal([]);
  });

  it('lets a subscriber unsubscribe inside `next`', async () => {
    const { bus } = await createTestBus();
    const seen: unknown[] = [];
    const subscription = bus.observe('a').subscribe(({ payload }) => {
      seen.push(payload);
      subscription.unsubscribe();
    });
    for (const payload of [1, 2]) bus.emit('a', payload);
    expect(seen).to.deep.equal([1]);
    expect(figuresOf(bus)).to.deep.equal([]);
  });

  it('keeps the guard through `share`', async () => {
    const { bus, failed } = await startObserved();
    const seen: unknown[] = [];
    const shared = bus.observe('a').pipe(share());
    shared.subscribe(() => raise('boom'));
    shared.subscribe(({ payload }) => void seen.push(payload));
    for (const payload of [1, 2]) bus.emit('a', payload);
    await turn();
    expect(seen).to.deep.equal([1, 2]);
    expect(failed).to.have.length(1);
    expect(figuresOf(bus)).to.have.length(1);
  });

  it('takes the subscribers of another copy of RxJS for what they are', async () => {
    const { bus } = await createTestBus();
    const source = bus.observe('a');
    // The shape of another copy's `Subscriber`, as operators make it.
    const closed: string[] = [];
    const foreign = {
      closed: false,
      next(event: TelltaleEvent) {
        closed.push(String(event.payload));
        for (const teardown of this.teardowns) (teardown as { unsubscribe(): void }).unsubscribe();
      },
      error: () => undefined,
      complete: () => undefined,
      teardowns: [] as unknown[],
      add(teardown: unknown) {
        this.teardowns.push(typeof teardown === 'function' ? { unsubscribe: teardown } : teardown);
      },
      remove: () => undefined,
      unsubscribe: () => undefined,
    };
    source.subscribe(foreign as never);
    for (const payload of [1, 2]) bus.emit('a', payload);
    expect(closed).to.deep.equal(['1']);
    expect(figuresOf(bus)).to.deep.equal([]);
  });

  it('completes when its signal is aborted, before or after subscribing', async () => {
    const { bus } = await createTestBus();
    const abort = new AbortController();
    const source = bus.observe('a', { signal: abort.signal });
    const all = firstValueFrom(source.pipe(toArray()));
    bus.emit('a', 1);
    abort.abort();
    bus.emit('a', 2);
    expect((await all).map(({ payload }) => payload)).to.deep.equal([1]);
    expect(await firstValueFrom(source.pipe(toArray()))).to.deep.equal([]);
    expect(figuresOf(bus)).to.deep.equal([]);
  });

  it('completes at once on a closed bus', async () => {
    const { bus } = await createTestBus();
    await bus.close();
    expect(await firstValueFrom(bus.observe('a').pipe(toArray()))).to.deep.equal([]);
  });

  it('refuses options that mean nothing to it', async () => {
    const { bus } = await createTestBus();
    expect(() => bus.observe('a', { retry: 3 } as object))
      .to.throw()
      .with.property('code', 'INVALID_OPTION');
  });
});

describe('iterate', () => {
  refuseUnhandledRejections();

  it('misses nothing between the call and the first `next`', async () => {
    const { bus } = await createTestBus();
    const iterator = bus.iterate('a');
    for (const payload of [1, 2]) bus.emit('a', payload);
    const third = read(iterator, 3);
    bus.emit('a', 3);
    expect(await third).to.deep.equal([1, 2, 3]);
  });

  it('tells a reader that lags once, in band, where the gap is and how wide', async () => {
    const { bus } = await createTestBus();
    const iterator = bus.iterate('a', { mailbox: { max: 3 } });
    const events = [1, 2, 3, 4, 5].map((payload) => bus.emit('a', payload));
    const [lagged, ...rest] = await read(iterator, 4);
    expect(lagged).to.have.property('type', '$bus.lagged');
    expect(lagged).to.have.property('payload').that.deep.equals({ missed: 2, from: events[0]!.id, to: events[1]!.id });
    expect(rest).to.deep.equal([3, 4, 5]);
    bus.emit('a', 6);
    expect(await read(iterator, 1)).to.deep.equal([6]);
  });

  it('tells of every gap by itself when the reader has read in between', async () => {
    const { bus } = await createTestBus();
    const iterator = bus.iterate('a', { mailbox: { max: 1 } });
    const seen: unknown[] = [];
    for (const round of [0, 10]) {
      for (const payload of [1, 2, 3]) bus.emit('a', round + payload);
      seen.push(...(await read(iterator, 2)));
    }
    const missed = seen.map((one) => (one as TelltaleEvent<string, { missed?: number }>).payload?.missed ?? one);
    expect(missed).to.deep.equal([2, 3, 2, 13]);
  });

  it('counts what is unread as queued and what was missed as dropped, with a summary letter', async () => {
    const { bus, clock } = await createTestBus();
    const iterator = bus.iterate('a', { mailbox: { max: 2 } });
    for (let i = 0; i < 5; i++) bus.emit('a', i);
    for (let i = 0; i < 3; i++) bus.emit('a', i, { transient: true });
    expect(figuresOf(bus)[0]).to.deep.include({ routed: 8, handled: 0, queued: 2, dropped: 6 });
    expect(bus.metrics().transientDropped).to.deep.equal({ a: 1 });
    await read(iterator, 2);
    expect(figuresOf(bus)[0]).to.deep.include({ routed: 8, handled: 1, queued: 1, dropped: 6 });
    await clock.advance(1_000);
    await bus.flush();
    const letters = await bus.deadLetters.list();
    expect(letters.map(({ reason, count }) => [reason, count])).to.deep.equal([['dropped', 5]]);
    // Reading slowly is no reason for the bus to wait.
    await bus.settled();
  });

  it('turns newcomers away instead with `reject`', async () => {
    const { bus } = await createTestBus();
    bus.on('$bus.handler.failed', () => undefined);
    const iterator = bus.iterate('a', { mailbox: { max: 2, overflow: 'reject' } });
    for (const payload of [1, 2, 3]) bus.emit('a', payload);
    expect(await read(iterator, 2)).to.deep.equal([1, 2]);
    await bus.flush();
    const [letter] = await bus.deadLetters.list();
    expect(letter!.error.code).to.equal('MAILBOX_FULL');
  });

  it('ends with `break` and leaves no subscription behind', async () => {
    const { bus } = await createTestBus();
    const seen: unknown[] = [];
    const iterator = bus.iterate('a');
    for (const payload of [1, 2, 3]) bus.emit('a', payload);
    for await (const { payload } of iterator) {
      seen.push(payload);
      if (seen.length === 2) break;
    }
    expect(seen).to.deep.equal([1, 2]);
    expect(figuresOf(bus)).to.deep.equal([]);
    expect(await read(iterator, 1)).to.deep.equal(['end']);
  });

  it('answers a waiting reader when `return` is called', async () => {
    const { bus } = await createTestBus();
    const iterator = bus.iterate('a');
    const waiting = [iterator.next(), iterator.next()];
    await iterator.return!();
    expect(await Promise.all(waiting)).to.deep.equal([
      { value: undefined, done: true },
      { value: undefined, done: true },
    ]);
  });

  it('gives out what is buffered when the bus closes, then ends', async () => {
    const { bus } = await createTestBus();
    const buffered = bus.iterate('a');
    const waiting = bus.iterate('b').next();
    for (const payload of [1, 2]) bus.emit('a', payload);
    await bus.close();
    expect(await read(buffered, 3)).to.deep.equal([1, 2, 'end']);
    expect(await waiting).to.deep.equal({ value: undefined, done: true });
    expect(await read(bus.iterate('a'), 1)).to.deep.equal(['end']);
  });

  it('ends when its signal is aborted, also where it was before', async () => {
    const { bus } = await createTestBus();
    const abort = new AbortController();
    const iterator = bus.iterate('a', { signal: abort.signal });
    bus.emit('a', 1);
    expect(await read(iterator, 1)).to.deep.equal([1]);
    const waiting = read(iterator, 1);
    abort.abort();
    expect(await waiting).to.deep.equal(['end']);
    expect(await read(bus.iterate('a', { signal: abort.signal }), 1)).to.deep.equal(['end']);
    expect(getEventListeners(abort.signal, 'abort')).to.deep.equal([]);
    expect(figuresOf(bus)).to.deep.equal([]);
  });
});

describe('once', () => {
  refuseUnhandledRejections();

  it('resolves with the next event of the pattern and leaves nothing behind', async () => {
    const { bus } = await createTestBus();
    const abort = new AbortController();
    const next = bus.once('a', { where: { payload: 2 }, timeout: '10s', signal: abort.signal });
    for (const payload of [1, 2, 3]) bus.emit('a', payload);
    expect(figuresOf(bus)).to.deep.equal([]);
    expect((await next).payload).to.equal(2);
    expect(getEventListeners(abort.signal, 'abort')).to.deep.equal([]);
  });

  it('rejects with TIMEOUT, ABORTED or BUS_CLOSED, and leaves nothing behind', async () => {
    const { bus, clock } = await createTestBus();
    const abort = new AbortController();
    const timeout = codeOf(bus.once('a', { timeout: 100 }));
    const aborted = codeOf(bus.once('a', { signal: abort.signal }));
    const closed = codeOf(bus.once('a'));
    expect(figuresOf(bus)).to.have.length(3);
    await clock.advance(100);
    abort.abort();
    expect(await Promise.all([timeout, aborted])).to.deep.equal(['TIMEOUT', 'ABORTED']);
    expect(await codeOf(bus.once('a', { signal: abort.signal }))).to.equal('ABORTED');
    expect(figuresOf(bus)).to.have.length(1);
    await bus.close();
    expect(await closed).to.equal('BUS_CLOSED');
    expect(await codeOf(bus.once('a', { timeout: 100 }))).to.equal('BUS_CLOSED');
  });

  it('rejects with the refusal of a bad pattern or option', async () => {
    const { bus } = await createTestBus();
    const refused: readonly [string, object, string][] = [
      ['a..b', {}, 'INVALID_PATTERN'],
      ['a', { retry: 1 }, 'INVALID_OPTION'],
      ['a', { signal: {} }, 'INVALID_OPTION'],
      ['a', { where: { payload: { $no: 1 } } }, 'INVALID_FILTER'],
    ];
    for (const [pattern, options, code] of refused) {
      const error = await bus.once(pattern, options).catch((reason: unknown) => reason);
      expect(error).to.have.property('code', code);
    }
    expect(figuresOf(bus)).to.deep.equal([]);
  });

  it('waits inside a handler without holding anything up', async () => {
    const { bus } = await createTestBus();
    const gate = createGate<unknown>();
    bus.on('question', async (_, { once, emit }) => {
      const answer = once('answer') as Promise<TelltaleEvent>;
      emit('asked', null);
      gate.open((await answer).payload);
    });
    bus.on('asked', (_, { emit }) => void emit('answer', 42));
    bus.emit('question', null);
    expect(await gate.promise).to.equal(42);
  });
});

async function read(iterator: AsyncIterator<TelltaleEvent, undefined>, count: number): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (let i = 0; i < count; i++) {
    const { value, done } = await iterator.next();
    if (done) return [...seen, 'end'];
    seen.push(value.type === 'a' ? value.payload : value);
  }
  return seen;
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'resolved',
    (error: { code: string }) => error.code,
  );

function raise(message: string): never {
  throw new Error(message);
}
