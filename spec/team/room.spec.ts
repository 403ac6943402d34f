import { expect } from 'chai';
import { Room } from '../../examples/team/room.ts';

const { signal } = new AbortController();

/** What the promise has become by the end of this turn. */
async function soon<Value>(promise: Promise<Value>): Promise<Value | 'waiting'> {
  return Promise.race([promise, new Promise<'waiting'>((resolve) => setImmediate(resolve, 'waiting'))]);
}

describe('the room of the scout', function () {
  this.timeout(2_000);

  it('tells the free places, and waits while less than half of them are', async () => {
    const room = new Room(4);
    expect(await room.free(signal)).to.equal(4);
    room.enter(2);
    expect(await room.free(signal)).to.equal(2);
    room.enter(1);
    const free = room.free(signal);
    expect(await soon(free)).to.equal('waiting');
    room.leave();
    expect(await free).to.equal(2);
  });

  it('sends the waiting away when it is aborted', async () => {
    const controller = new AbortController();
    const room = new Room(1);
    room.enter(1);
    const free = room.free(controller.signal);
    expect(await soon(free)).to.equal('waiting');
    controller.abort();
    expect(await free).to.equal(0);
  });
});
