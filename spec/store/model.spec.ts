import { expect } from 'chai';
import { memory } from '../../plugins/memory/index.ts';
import { BROKEN_STORES } from '../support/broken-stores.ts';
import { checkAgainstModel } from '../support/store-model.ts';

const RUNS = 200;

describe('random commands', () => {
  it('get the answers of the model from the memory store', async function () {
    this.timeout(60_000);
    await checkAgainstModel({ create: () => memory({ index: ['payload.lane'] }) }, RUNS);
  });

  for (const fault of [
    'lost duplicate check',
    'non-atomic batch',
    'position reuse',
    'revision restart',
    'wrong order',
  ]) {
    it(`find ${fault}`, async function () {
      this.timeout(60_000);
      const { create } = BROKEN_STORES.find((broken) => broken.fault === fault)!;
      const found = await checkAgainstModel({ create }, RUNS * 20).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(found).to.be.an('error').with.property('message').that.includes('seed');
    });
  }
});
