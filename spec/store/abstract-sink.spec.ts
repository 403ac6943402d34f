// oxlint-disable eslint/no-underscore-dangle -- the underscore marks what a sink brings
import { expect } from 'chai';
import { AbstractSink, isTelltaleError } from '../../lib/plugin.ts';
import type { StoredEvent } from '../../lib/plugin.ts';
import { buildStored } from '../support/event-builder.ts';

class ListSink extends AbstractSink {
  readonly name = 'list';
  readonly log: string[] = [];
  fail = false;

  protected async _open(): Promise<void> {
    this.log.push('open');
  }

  protected async _write(events: readonly StoredEvent[]): Promise<void> {
    this.log.push(`begin ${events[0]!.position}`);
    await new Promise((resolve) => setImmediate(resolve));
    if (this.fail) throw new Error('refused');
    this.log.push(`end ${events.at(-1)!.position}`);
  }

  protected async _close(): Promise<void> {
    this.log.push('close');
  }
}

describe('AbstractSink', () => {
  it('writes one after another and finishes what was called before it closes', async () => {
    const sink = new ListSink();
    await Promise.all([sink.open(), sink.open()]);
    const writes = [sink.write([buildStored(1), buildStored(2)]), sink.write([buildStored(3)]), sink.write([])];
    await Promise.all([sink.close(), sink.close(), ...writes]);
    expect(sink.log).to.deep.equal(['open', 'begin 1', 'end 2', 'begin 3', 'end 3', 'close']);
  });

  it('goes on after a write that failed', async () => {
    const sink = new ListSink();
    await sink.open();
    sink.fail = true;
    expect(await codeOf(sink.write([buildStored(1)]))).to.equal('STORE_UNAVAILABLE');
    sink.fail = false;
    await sink.write([buildStored(1)]);
    await sink.close();
    expect(sink.log).to.deep.equal(['open', 'begin 1', 'begin 1', 'end 1', 'close']);
  });

  it('is called a sink in what it fails of, by its name where it has one', async () => {
    class Nameless extends ListSink {
      override readonly name = undefined as never;
    }
    const messages = [];
    for (const sink of [new ListSink(), new Nameless()]) {
      await sink.open();
      sink.fail = true;
      messages.push(String(await sink.write([buildStored(1)]).catch((error: Error) => error.message)));
    }
    expect(messages).to.deep.equal(['sink list: refused', 'sink: refused']);
  });

  it('refuses events that are not in order, and everything while it is not open', async () => {
    const sink = new ListSink();
    expect(await codeOf(sink.write([buildStored(1)]))).to.equal('STORE_CLOSED');
    await sink.open();
    expect(await codeOf(sink.write([buildStored(2), buildStored(2)]))).to.equal('INVALID_OPTION');
    await sink.close();
    expect(await codeOf(sink.write([buildStored(1)]))).to.equal('STORE_CLOSED');
  });
});

async function codeOf(promise: Promise<void>): Promise<unknown> {
  try {
    await promise;
    return 'success';
  } catch (error) {
    return isTelltaleError(error) ? error.code : error;
  }
}
