import { expect } from 'chai';
import { EventEmitter } from 'node:events';
import { ChannelTransport, type Channel } from '../../plugins/child-process/transport.ts';
import { turn } from '../support/turns.ts';

const KEY = 'telltale:link';
const HIGH_WATER = 3;

/** A channel that has enough after three messages, and writes when it is told to. */
class SlowChannel extends EventEmitter implements Channel {
  connected = true;
  readonly sent: unknown[] = [];
  readonly callbacks: ((error: Error | null) => void)[] = [];

  send(message: unknown, callback: (error: Error | null) => void): boolean {
    this.sent.push(message);
    return this.callbacks.push(callback) < HIGH_WATER;
  }

  write(error: Error | null = null): void {
    for (const callback of this.callbacks.splice(0)) callback(error);
  }

  disconnect(): void {
    this.connected = false;
    this.emit('disconnect');
  }
}

/** Started; the other side listens unless it is said not to. */
function start({ owned = true, heard = true } = {}) {
  const channel = new SlowChannel();
  const told: unknown[] = [];
  const transport = new ChannelTransport(channel, {
    ...(owned && { disconnect: () => channel.disconnect() }),
    reason: (lastWords) => lastWords ?? new Error('gone'),
  });
  transport.start({
    message: (data) => void told.push(data),
    ended: (reason) => void told.push((reason as { code?: string }).code ?? reason.message),
  });
  channel.write();
  if (heard) channel.emit('message', [KEY, 'open too']);
  const post = (...numbers: readonly number[]): void => numbers.forEach((number) => transport.post(String(number)));
  const sent = () =>
    channel.sent.map((message) => {
      const [key, word, frame] = message as readonly string[];
      expect(key).to.equal(KEY);
      return word === 'frame' ? Number(frame) : word;
    });
  return { channel, told, transport, post, sent };
}

describe('frames over the channel of a process', () => {
  it('wait until the other side listens, whichever begins', () => {
    for (const word of ['open', 'open too']) {
      const { channel, post, sent } = start({ heard: false });
      post(1, 2);
      expect(sent()).to.deep.equal(['open']);
      channel.emit('message', [KEY, word]);
      expect(sent()).to.deep.equal(word === 'open' ? ['open', 'open too', 1, 2] : ['open', 1, 2]);
    }
  });

  it('wait while the channel has enough, and follow in their order', () => {
    const { channel, post, sent } = start();
    post(1, 2, 3, 4, 5, 6, 7);
    expect(sent()).to.deep.equal(['open', 1, 2, 3]);
    channel.write();
    expect(sent()).to.deep.equal(['open', 1, 2, 3, 4, 5, 6]);
    post(8);
    channel.write();
    expect(sent()).to.deep.equal(['open', 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('are all written before the channel ends, and nothing is told then', () => {
    const { channel, told, transport, post, sent } = start();
    post(1, 2, 3, 4);
    transport.end();
    post(5);
    channel.write();
    expect([channel.connected, sent()]).to.deep.equal([true, ['open', 1, 2, 3, 4, 'end']]);
    channel.write();
    expect(channel.connected).to.equal(false);
    expect(told).to.deep.equal([]);
    expect(channel.eventNames()).to.deep.equal([]);
  });

  it('leave a channel open that others use as well; the other side is told of the end', () => {
    const { channel, told, transport, post, sent } = start({ owned: false });
    post(1);
    transport.end();
    channel.write();
    expect([channel.connected, sent()]).to.deep.equal([true, ['open', 1, 'end']]);
    expect(channel.eventNames()).to.deep.equal([]);
    const other = start({ owned: false });
    other.channel.emit('message', [KEY, 'end']);
    expect([told, other.told]).to.deep.equal([[], ['the other side has ended the link']]);
  });

  it('of a process that is there for its link alone go on until it has ended', async () => {
    const { channel, told } = start();
    channel.emit('message', [KEY, 'end']);
    expect(told).to.deep.equal([]);
    channel.disconnect();
    await turn();
    expect(told).to.deep.equal(['gone']);
  });

  it('end with what the other side says that it dies of', async () => {
    const dying = start();
    dying.transport.sayLast(Object.assign(new RangeError('out of range'), { code: 'E_RANGE' }));
    dying.transport.sayLast('only text');
    const [, words, text] = dying.channel.sent as [unknown, [string, string, object], [string, string, object]];
    expect(text[2]).to.deep.include({ message: 'only text' });
    const { channel, told } = start();
    channel.emit('message', words);
    channel.disconnect();
    await turn();
    expect(told).to.deep.equal(['E_RANGE']);
  });

  it('are told before the end of the other side, which is told once', async () => {
    const { channel, told, post } = start();
    post(1, 2, 3, 4);
    channel.emit('message', [KEY, 'frame', '9']);
    channel.disconnect();
    channel.write(new Error('ERR_IPC_CHANNEL_CLOSED'));
    await turn();
    expect(told).to.deep.equal(['9', 'gone']);
    channel.emit('disconnect');
    post(5);
    await turn();
    expect(told).to.have.length(2);
  });

  it('are not told of a channel that was closed before', async () => {
    const channel = new SlowChannel();
    channel.disconnect();
    const told: unknown[] = [];
    const transport = new ChannelTransport(channel, { reason: () => new Error('gone') });
    transport.start({ message: () => undefined, ended: ({ message }) => void told.push(message) });
    await turn();
    expect(told).to.deep.equal(['gone']);
  });

  it('leave alone what users say over the same channel', () => {
    const { channel, told } = start();
    for (const message of ['hello', { not: 'ours' }, ['frame', '[]'], Uint8Array.of(1), null])
      channel.emit('message', message);
    expect(told).to.deep.equal([]);
  });
});
