import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { Asks, type AskPort } from '../../lib/ask/asks.ts';
import { createVirtualClock } from '../../lib/clock.ts';
import { NO_CHAIN, type Asking } from '../../lib/context.ts';
import { TelltaleError } from '../../lib/errors.ts';
import type { RemoteReplies } from '../../lib/event/asking.ts';
import type { Answerer } from '../../lib/event/asking.ts';
import { Envelope } from '../../lib/event/envelope.ts';
import { buildEvent } from '../support/event-builder.ts';

/** The asks of a bus that is nothing else, with what its answerers were handed. */
function createAsks() {
  const clock = createVirtualClock();
  const late: unknown[] = [];
  const port: AskPort = {
    clock,
    eventOptions: [],
    isInside: (cause): cause is never => cause === null,
    send: () => {
      throw new Error('nothing is sent');
    },
    record: () => undefined,
    late: (address, _, outcome) => void late.push([address, outcome]),
    onClosing: () => undefined,
  };
  return { asks: new Asks(port), clock, late };
}

function createAnswerer(): Answerer & { readonly taken: Asking[] } {
  const taken: Asking[] = [];
  return { credit: 1, taken, accepts: () => true, take: (envelope) => void taken.push(envelope.asking!) };
}

/** Writes down what would go back over the link. */
function createReplies(): RemoteReplies & { readonly said: unknown[]; cancel(reason: TelltaleError): void } {
  const said: unknown[] = [];
  let cancel: ((reason: TelltaleError) => void) | undefined;
  return {
    said,
    cancel: (reason) => cancel!(reason),
    begun: (incoming) => (cancel = (reason) => incoming.cancel(reason)),
    shared: () => [],
    answered: (value) => void said.push(['answered', value]),
    part: (value) => void said.push(['part', value]),
    ended: () => void said.push(['ended']),
    failed: (error) => void said.push(['failed', error]),
    refused: ({ code }) => void said.push(['refused', code]),
    dropped: () => void said.push(['dropped']),
    late: () => void said.push(['late']),
  };
}

const request = (): Envelope => new Envelope(buildEvent({ type: 'job' }), 10, true, true, NO_CHAIN, {});
const TERMS = { path: ['outer', 'job'], streams: false, everybody: false, remainingMs: 100 };
const LINK = createAnswerer();

describe('a question that came over a link', () => {
  it('has the path, the rest of the time and the way of answering it came with', async () => {
    const { asks, clock } = createAsks();
    const answerer = createAnswerer();
    asks.answer('job', answerer);
    const replies = createReplies();
    asks.receive(request(), { ...TERMS, streams: true }, replies, LINK);
    await clock.advance(30);
    const [asking] = answerer.taken;
    expect(asking).to.include({ remainingMs: 70, streams: true, status: 'open' });
    expect(asking!.path).to.deep.equal(['outer', 'job']);
    void asking!.part(1);
    asking!.ended();
    asking!.answered('too much');
    expect(replies.said).to.deep.equal([['part', 1], ['ended']]);
  });

  it('leaves nothing on the signal of its answerer', () => {
    const { asks } = createAsks();
    const answerer = createAnswerer();
    asks.answer('job', answerer);
    const { signal } = new AbortController();
    asks.receive(request(), TERMS, createReplies(), LINK);
    expect(answerer.taken[0]!.signalWith({ signal })).to.equal(answerer.taken[0]!.signalWith({ signal }));
    expect(getEventListeners(signal, 'abort')).to.have.length(1);
    answerer.taken[0]!.answered(1);
    expect(getEventListeners(signal, 'abort')).to.have.length(0);
  });

  it('goes back to its asker at once where nobody answers it here', () => {
    const { asks } = createAsks();
    const replies = createReplies();
    asks.receive(request(), TERMS, replies, LINK);
    expect(replies.said).to.deep.equal([['dropped']]);
    expect(asks.figures.waiting).to.equal(0);
  });

  it('is given up when its time is over; what comes later is late here', async () => {
    const { asks, clock, late } = createAsks();
    const answerer = createAnswerer();
    asks.answer('job', answerer);
    const replies = createReplies();
    asks.receive(request(), TERMS, replies, LINK);
    const signal = answerer.taken[0]!.signalWith(new AbortController());
    await clock.advance(100);
    expect(replies.said).to.deep.equal([['refused', 'TIMEOUT']]);
    expect(signal.aborted).to.equal(true);
    answerer.taken[0]!.answered(1);
    expect(late).to.deep.equal([['job', { value: 1 }]]);
    expect(asks.figures).to.deep.equal({ asked: 0, answered: 0, failed: 0, waiting: 0, late: 1 });
  });

  it('leaves the time between the parts of a stream to its asker', async () => {
    const { asks, clock } = createAsks();
    const answerer = createAnswerer();
    asks.answer('job', answerer);
    const replies = createReplies();
    asks.receive(request(), { ...TERMS, streams: true }, replies, LINK);
    const [asking] = answerer.taken;
    void asking!.part(1);
    await clock.advance(1_000);
    void asking!.part(2);
    expect(asking!.status).to.equal('open');
    replies.cancel(new TelltaleError('TIMEOUT', 'the asker says so'));
    void asking!.part(3);
    expect(replies.said).to.deep.equal([
      ['part', 1],
      ['part', 2],
      ['refused', 'TIMEOUT'],
    ]);
    // What is collected there has one time for all of it.
    asks.receive(request(), TERMS, replies, LINK);
    void answerer.taken[1]!.part(1);
    await clock.advance(100);
    expect(answerer.taken[1]!.status).to.equal('given-up');
  });

  it('is cancelled by its asker', () => {
    const { asks } = createAsks();
    const answerer = createAnswerer();
    asks.answer('job', answerer);
    const replies = createReplies();
    asks.receive(request(), TERMS, replies, LINK);
    const reasons: unknown[] = [];
    answerer.taken[0]!.whenGivenUp((reason) => void reasons.push(reason));
    const reason = new TelltaleError('ABORTED', 'enough');
    replies.cancel(reason);
    answerer.taken[0]!.whenGivenUp((again) => void reasons.push(again));
    expect(reasons).to.deep.equal([reason, reason]);
    expect(answerer.taken[0]).to.include({ status: 'given-up', remainingMs: 0 });
  });

  it('goes to another answerer where the first one goes before it began', () => {
    const { asks } = createAsks();
    const [first, second] = [createAnswerer(), createAnswerer()];
    const leave = asks.answer('job', first);
    const replies = createReplies();
    asks.receive(request(), TERMS, replies, LINK);
    asks.answer('job', second);
    leave();
    first.taken[0]!.dropped();
    second.taken[0]!.answered('second');
    first.taken[0]!.answered('first');
    expect(replies.said).to.deep.equal([['answered', 'second']]);
  });

  it('is announced by type: when the first answerer comes and when the last one goes', () => {
    const { asks } = createAsks();
    const changes: unknown[] = [];
    const stop = asks.onTypes((type, answered) => void changes.push([type, answered]));
    const leave = [asks.answer('job', createAnswerer()), asks.answer('job', createAnswerer())];
    expect(asks.types).to.deep.equal(['job']);
    for (const go of leave) go();
    leave[0]!();
    expect(asks.types).to.deep.equal([]);
    stop();
    asks.answer('job', createAnswerer());
    expect(changes).to.deep.equal([
      ['job', true],
      ['job', false],
    ]);
  });
});
