import { expect } from 'chai';
import { Room } from '../../examples/team/room.ts';

const { signal } = new AbortController();

describe('the room of the scout', () => {
  it('lets in as many as there are places and the next when one leaves', async () => {
    const room = new Room(2);
    await room.enter(signal);
    await room.enter(signal);
    let entered = false;
    const third = room.enter(signal).then(() => (entered = true));
    await Promise.resolve();
    expect(entered).to.equal(false);
    room.leave();
    await third;
    expect(entered).to.equal(true);
  });

  it('sends the waiting away when it is aborted', async () => {
    const controller = new AbortController();
    const room = new Room(1);
    await room.enter(signal);
    const waiting = room.enter(controller.signal);
    controller.abort();
    expect(await waiting).to.equal(false);
  });

  it('says when it is empty', async () => {
    const room = new Room(2);
    await room.empty();
    await room.enter(signal);
    let empty = false;
    const done = room.empty().then(() => (empty = true));
    await Promise.resolve();
    expect(empty).to.equal(false);
    room.leave();
    await done;
    expect(empty).to.equal(true);
  });
});
