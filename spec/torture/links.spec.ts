import fc from 'fast-check';
import { EVENTS, STAGES, WAYS, type Strike } from '../link-faults/faults.ts';
import { endure, expectKept } from '../link-faults/run.ts';

const SCALE = Number(process.env['TORTURE'] ?? 1);
const SEED = Number(process.env['SEED'] ?? Date.now());
const DEATHS = 5;

const strike: fc.Arbitrary<Strike> = fc.record({
  way: fc.constantFrom(...WAYS),
  stage: fc.constantFrom(...STAGES),
  at: fc.integer({ min: 0, max: EVENTS - 1 }),
});
const ordeal = fc.record({
  direction: fc.constantFrom('down' as const, 'up' as const),
  strikes: fc.uniqueArray(strike, { minLength: DEATHS, maxLength: DEATHS, selector: ({ at }) => at }),
});

describe('links: torture', () => {
  const ordeals = fc.sample(ordeal, { numRuns: Math.max(1, Math.round((5_000 / DEATHS) * SCALE)), seed: SEED });

  it(`lose nothing over 5,000 deaths of workers at any moment (seed ${SEED})`, async () => {
    for (const one of ordeals) {
      try {
        expectKept(one, await endure(one));
      } catch (error) {
        throw new Error(`not kept: ${JSON.stringify(one)}`, { cause: error });
      }
    }
  });
});
