import { expect } from 'chai';
import { Books } from '../../lib/actor/books.ts';
import type { ActorPort, ActorRef } from '../../lib/actor/port.ts';
import type { Work } from '../../lib/actor/instance.ts';
import { Envelope } from '../../lib/event/envelope.ts';
import { NO_CHAIN } from '../../lib/context.ts';
import { buildEvent } from '../support/event-builder.ts';

const broken = (): never => {
  throw new Error('broken');
};

describe('the books of an actor', () => {
  it('add up whatever those do that are told, and the process is warned', async () => {
    const actor = { behaviour: { durable: true } } as ActorRef;
    const books = new Books(actor, { failed: broken, handled: broken } as unknown as ActorPort);
    const envelope = new Envelope(buildEvent(), 1, true, true, NO_CHAIN, {});
    const work = { envelope, attempt: 1 } as Work;
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    books.begin(envelope);
    books.done(work, 'handled');
    books.begin(envelope);
    books.fail(work, new Error('x'));
    expect(books.counts).to.include({ running: 0, handled: 1, failed: 1 });
    expect((await warned).message).to.include('must not throw, and did: broken');
  });
});
