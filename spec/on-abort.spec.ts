import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { onAbort } from '../lib/on-abort.ts';
import { createTestBus } from '../lib/testing.ts';
import { rejectionOf } from './support/rejection-of.ts';
import { turn } from './support/turns.ts';

describe('waiting for a signal', () => {
  it('puts one listener on it for all, and none when nobody waits', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const told: number[] = [];
    const say = (): void => void told.push(0);
    const undos = [1, 2, 3].map((i) => onAbort(signal, () => void told.push(i)));
    undos.push(onAbort(signal, say), onAbort(signal, say));
    expect(getEventListeners(signal, 'abort')).to.have.length(1);
    for (const undo of undos) undo();
    expect(getEventListeners(signal, 'abort')).to.have.length(0);
    onAbort(signal, say);
    const undoLast = onAbort(signal, () => void told.push(9));
    onAbort(signal, () => undoLast());
    onAbort(signal, say);
    undos[0]!();
    undoLast();
    controller.abort();
    controller.abort();
    expect(told).to.deep.equal([0, 0]);
    expect(getEventListeners(signal, 'abort')).to.have.length(0);
  });

  it('leaves out whoever is undone by another while they are told', () => {
    const controller = new AbortController();
    const told: string[] = [];
    onAbort(controller.signal, () => undo());
    const undo = onAbort(controller.signal, () => void told.push('undone'));
    onAbort(controller.signal, () => void told.push('last'));
    controller.abort();
    expect(told).to.deep.equal(['last']);
  });

  it('is what everything that takes a signal does: many share one without a warning', async () => {
    const { bus } = await createTestBus();
    const warnings: Error[] = [];
    const warn = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warn);
    try {
      bus.answer('job', (_, { signal }) => new Promise((resolve) => setImmediate(() => resolve(signal.aborted))));
      await Promise.all(Array.from({ length: 12 }, () => bus.ask('job', 1)));
      const controller = new AbortController();
      const { signal } = controller;
      const waiting = Array.from({ length: 12 }, () => [
        rejectionOf(bus.ask('job', 1, { signal })),
        rejectionOf(bus.once('never', { signal })),
        rejectionOf(bus.askEach('job', [1], { signal }).next()),
        rejectionOf(bus.publish('some.event', 1, { signal }).then(() => Promise.reject(new Error('stored')))),
      ]).flat();
      for (let i = 0; i < 12; i++) bus.on('some.event', () => undefined, { signal });
      expect(getEventListeners(signal, 'abort').length).to.be.at.most(1);
      controller.abort();
      await Promise.all(waiting);
      expect(getEventListeners(signal, 'abort')).to.have.length(0);
      await turn();
      expect(warnings).to.deep.equal([]);
    } finally {
      process.off('warning', warn);
      await bus.close();
    }
  });
});
