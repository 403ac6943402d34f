import { expect } from 'chai';
import type { Behaviour } from '../../lib/acting-api.ts';
import { toError } from '../../lib/errors.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { createActorBus } from './actor-bus.ts';

const counter: Behaviour<number> = { initial: 0, receive: (count) => count + 1 };

describe('a behaviour that is refused', () => {
  refuseUnhandledRejections();

  it('is told what is wrong with it, by the name it has there', async () => {
    const { bus } = await createActorBus();
    const textOf = (behaviour: object): string => {
      try {
        bus.actor('a', { ...counter, ...behaviour });
      } catch (error) {
        return toError(error).message;
      }
      throw new Error('it was not refused');
    };
    expect(textOf({ on: 3 })).to.equal('expected `on` of actor a to be a pattern, or several, got 3 (number)');
    expect(textOf({ on: null })).to.match(/`on` of actor a/u);
    expect(textOf({ supervise: { backoff: 5 } })).to.match(/`supervise\.backoff` to be an object, got 5/u);
    expect(textOf({ supervise: { backoff: { factor: 0 } } })).to.match(/`supervise\.backoff\.factor`/u);
    expect(textOf({ supervise: { backoff: { wait: 1 } } })).to.match(/`wait` is not an option of supervise\.backoff/u);
    expect(textOf({ supervise: { backoff: { attempts: 1 } } })).to.match(/`attempts` is not an option of/u);
    expect(textOf({ supervise: { attempts: 0 } })).to.match(/`supervise\.attempts`/u);
    expect(textOf({ idle: '1m' })).to.match(/`idle` of actor a needs `key`/u);
  });

  it('refuses to stop an instance by what is no key', async () => {
    const { bus } = await createActorBus();
    const actor = bus.actor('a', { ...counter, key: 'payload' });
    expect(await rejectionOf(actor.stop(3 as never))).to.include({ code: 'INVALID_OPTION' });
    expect(await rejectionOf(bus.actor('b', counter).stop('x'))).to.include({ code: 'INVALID_OPTION' });
    await actor.stop('x');
    expect(actor.tell('x', 'y').type).to.equal('x');
  });
});

describe('the state of an actor', () => {
  refuseUnhandledRejections();

  it('is handed out as a copy: who changes it changes nothing', async () => {
    const { bus } = await createActorBus();
    interface Seen {
      readonly list: number[];
      readonly byName: Map<string, { n: number }>;
      readonly since: URL;
    }
    const actor = bus.actor<Seen>('a', {
      initial: () => ({ list: [], byName: new Map([['a', { n: 1 }]]), since: new URL('a:b') }),
      receive: () => ({ type: 'added', payload: 1 }),
      apply: (state) => ({ ...state, list: [...state.list, 1] }),
    });
    actor.tell('x', 1);
    await bus.settled();
    const seen = (await actor.state())!;
    seen.list.push(2);
    seen.byName.get('a')!.n = 5;
    const again = (await actor.state())!;
    expect(again.list).to.deep.equal([1]);
    expect(again.byName.get('a')).to.deep.equal({ n: 1 });
    expect(again.since).to.be.instanceOf(URL);
  });
});
