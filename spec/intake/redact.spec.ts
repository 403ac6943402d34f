import { expect } from 'chai';
import { redact } from '../../lib/intake/redact.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { codeOf } from '../support/code-of.ts';
import { logged } from '../support/logged.ts';

describe('redact', () => {
  it('replaces what lies at its paths, in objects and arrays, and leaves the rest', async () => {
    const store = memory();
    const { bus, events } = await createTestBus({
      store,
      admit: [redact('payload.token', 'payload.cards.1.number', 'metadata.ip')],
    });
    const cards = [{ number: 1 }, { number: 2, kind: 'debit' }];
    bus.emit('user.paid', { user: 'ann', token: 'secret', cards }, { metadata: { ip: '10.0.0.1', tags: ['a'] } });
    expect(events[0]!.payload).to.deep.equal({
      user: 'ann',
      token: '[redacted]',
      cards: [{ number: 1 }, { number: '[redacted]', kind: 'debit' }],
    });
    expect(events[0]!.metadata).to.include({ ip: '[redacted]' });
    expect(cards[1]).to.deep.equal({ number: 2, kind: 'debit' });
    await bus.flush();
    expect(JSON.stringify(await logged(store))).to.not.include('secret');
  });

  it('answers the very same event where there is nothing to hide', () => {
    const event = { id: 'a', payload: { user: 'ann' }, metadata: {} } as never;
    expect(redact('payload.token', 'payload.user.name')(event)).to.equal(event);
  });

  it('refuses paths that are not into payload or metadata, or that try prototypes', () => {
    for (const path of ['id', 'payload', 'payload.__proto__.x', '', 'payload..a'])
      expect(
        codeOf(() => redact(path)),
        path,
      ).to.equal('INVALID_PATH');
  });
});
