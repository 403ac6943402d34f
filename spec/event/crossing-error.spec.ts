import { expect } from 'chai';
import { TelltaleError } from '../../lib/errors.ts';
import { errorFromPlain, errorToPlain } from '../../lib/event/crossing-error.ts';
import type { Plain } from '../../lib/event/event.ts';

/** There and back, as over a link. */
function cross(thrown: unknown): AggregateError & Record<string, unknown> {
  return errorFromPlain(JSON.parse(JSON.stringify(errorToPlain(thrown))) as Plain) as AggregateError &
    Record<string, unknown>;
}

describe('an error that goes to another thread', () => {
  it('is an error with its code there, however long its message and however large its fields', () => {
    const long = cross(Object.assign(new RangeError('m'.repeat(70_000)), { code: 'E_LONG' }));
    expect(long).to.be.instanceOf(RangeError);
    expect(long).to.include({ code: 'E_LONG' });
    expect(long.message).to.match(/^m{8192}… \[cut: 8192 of 70000 characters\]$/);
    const large = cross(Object.assign(new Error('large'), { body: 'x'.repeat(1e6), code: 'E_LARGE' }));
    expect(large).to.include({ code: 'E_LARGE', message: 'large' });
    expect(large['body']).to.match(/\[cut: \d+ of 1000000 characters\]$/);
  });

  it('keeps its causes and members, whatever one of them takes', () => {
    const body = 'x'.repeat(1e5);
    const inner = Object.assign(new TypeError('inner'), { code: 'E_INNER', body });
    const first = Object.assign(new Error('first', { cause: inner }), { code: 'E_FIRST', body });
    const second = Object.assign(new Error('second'), { code: 'E_SECOND' });
    const error = cross(Object.assign(new AggregateError([first, second, 'text', undefined], 'all'), { body }));
    expect(error).to.be.instanceOf(AggregateError);
    expect(error.errors).to.have.length(4);
    expect(error.errors[0]).to.include({ message: 'first', code: 'E_FIRST' });
    expect((error.errors[0] as Error).cause).to.be.instanceOf(TypeError);
    expect((error.errors[0] as Error).cause).to.include({ code: 'E_INNER' });
    expect(error.errors[1]).to.include({ message: 'second', code: 'E_SECOND' });
    expect(error.errors.slice(2)).to.deep.equal(['text', undefined]);
  });

  it('says how many of its members were left out', () => {
    const members = Array.from({ length: 500 }, (_, i) => new Error(`${i}`));
    const { errors } = cross(new AggregateError(members, 'many'));
    expect(errors).to.have.length(100);
    expect((errors[98] as Error).message).to.equal('98');
    expect(errors[99]).to.equal('[cut: 99 of 500 members]');
  });

  it('ends where it goes round, or too deep', () => {
    const round = new Error('round');
    round.cause = round;
    expect(cross(round).cause).to.equal('[circular]');
    let deep = new Error('0');
    for (let i = 1; i < 1_000; i++) deep = new Error(`${i}`, { cause: deep });
    let depth = 0;
    for (let error: unknown = cross(deep); error instanceof Error; error = error.cause) depth++;
    expect(depth).to.equal(16);
    const wide: Error = new AggregateError(
      Array.from({ length: 30 }, () => new AggregateError(Array.from({ length: 30 }, () => new Error('leaf')))),
    );
    expect(JSON.stringify(errorToPlain(wide)).length).to.be.below(2e5);
  });

  it('is an error without a stack, and with fields that cannot be read', () => {
    const bare = Object.assign(new TypeError('bare'), { name: 'Bare' });
    Object.defineProperty(bare, 'stack', { value: undefined });
    Object.defineProperty(bare, 'trap', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    const error = cross(bare);
    expect(error).to.be.instanceOf(Error);
    expect(error).to.include({ name: 'Bare', message: 'bare' });
    expect(error['trap']).to.match(/^\[unreadable/);
    const named = cross(Object.assign(new Error('m'), { code: 7, name: 9 }));
    expect(named).to.include({ message: 'm', code: 7, name: 'Error' });
  });

  it('is what it was where it is no error', () => {
    const looks = { name: 'Error', message: 'only looks so', stack: 'none' };
    for (const thrown of [undefined, null, 0, '', 'text', [1], { error: { message: 'm' } }, { thrown: 1 }, looks])
      expect(cross(thrown)).to.deep.equal(thrown);
    expect(cross(looks)).not.to.be.instanceOf(Error);
  });

  it('is one of the bus’s own with its details', () => {
    const error = cross(new TelltaleError('TIMEOUT', 'late', { details: { ms: 5 }, cause: new Error('why') }));
    expect(error).to.be.instanceOf(TelltaleError);
    expect(error).to.deep.include({ code: 'TIMEOUT', details: { ms: 5 } });
    expect((error.cause as Error).message).to.equal('why');
  });
});
