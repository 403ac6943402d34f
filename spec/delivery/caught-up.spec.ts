import { expect } from 'chai';
import { createTestBus } from '../../lib/testing.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

async function startFailing() {
  const { bus, clock } = await createTestBus();
  for (const type of ['$bus.handler.failed', '$bus.consumer.**']) bus.on(type, () => undefined);
  for (let n = 1; n <= 4; n++) await bus.publish('a', n);
  let isMended = false;
  const handler = ({ payload }: { readonly payload: unknown }): void => {
    if (payload === 3 && !isMended) throw new Error('three');
  };
  const consumer = bus.consume('c', 'a', handler as never, { onFailure: 'pause', retry: false });
  return { bus, clock, consumer, mend: () => void (isMended = true) };
}

describe('caughtUp', () => {
  refuseUnhandledRejections();

  it('rejects when the consumer pauses by itself, and at once where it has', async () => {
    const { bus, consumer, mend } = await startFailing();
    for (let i = 0; i < 2; i++) {
      const error = await rejectionOf(consumer.caughtUp());
      expect(error).to.include({ code: 'HANDLER_FAILED', message: 'consumer `c` is paused: three' });
      expect(consumer.status).to.equal('paused');
    }
    mend();
    consumer.resume();
    await consumer.caughtUp();
    expect(consumer.position).to.equal(4);
    await bus.close();
  });

  it('goes on waiting where somebody else has paused it, and resolves where it is stopped', async () => {
    const { bus, consumer, mend } = await startFailing();
    mend();
    await consumer.started;
    consumer.pause();
    const caughtUp = consumer.caughtUp();
    let ended = 'no';
    void caughtUp.then(() => (ended = 'yes'));
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(ended).to.equal('no');
    await consumer.stop();
    await caughtUp;
    await consumer.caughtUp();
    await bus.close();
  });
});
