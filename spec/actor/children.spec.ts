import { expect } from 'chai';
import type { Behaviour } from '../../lib/acting-api.ts';
import { createBus } from '../../lib/bus.ts';
import { codeOf } from '../support/code-of.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { createActorBus } from './actor-bus.ts';

describe('a child that cannot be', () => {
  refuseUnhandledRejections();

  it('is refused where it is made: by its name, and where it is to be persisted without a store', async () => {
    const bus = await createBus({});
    const codes: string[] = [];
    const kid: Behaviour<number> = { initial: 0, receive: (n) => n };
    const kept: Behaviour<number> = { initial: 0, receive: () => undefined, apply: (n) => n };
    const parent = bus.actor('parent', {
      initial: 0,
      receive: (_, __, { spawn }) => {
        for (const name of ['', undefined, {}, 'a/b', '\0', 'x'.repeat(129), null, 3])
          codes.push(codeOf(() => spawn(name as string, kid)));
        codes.push(codeOf(() => spawn('kept', kept)));
        codes.push(codeOf(() => spawn('kept', { ...kid, persist: 'state' })));
        codes.push(spawn('kid', kid).name);
      },
    });
    parent.tell('x', 1);
    expect(codes).to.deep.equal([
      ...Array.from({ length: 8 }, () => 'INVALID_OPTION'),
      'STORE_REQUIRED',
      'STORE_REQUIRED',
      'parent/main/kid',
    ]);
    await bus.close();
  });

  it('keeps a persisted child where there is a store', async () => {
    const { bus } = await createActorBus();
    const kept: Behaviour<number> = { initial: 0, receive: () => ({ type: 'added', payload: 1 }), apply: (n) => n + 1 };
    const parent = bus.actor('parent', {
      initial: 0,
      receive: (_, __, { spawn }) => void spawn('kept', kept).tell('y', 1),
    });
    parent.tell('x', 1);
    await bus.settled();
    expect(await bus.load('parent/main/kept', kept)).to.deep.equal({ state: 1, revision: 1 });
  });
});
