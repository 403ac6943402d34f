import fc from 'fast-check';
import { EVENTS, killWhileHandling, killWhileSending } from '../child-process/kill-run.ts';
import { endAll } from '../child-process/pool.ts';

const SCALE = Number(process.env['TORTURE'] ?? 1);
const SEED = Number(process.env['SEED'] ?? Date.now());
const KILLS = 4;

// So far apart that each kill meets another process, and that no event is in the hands of two that die.
const points = fc.tuple(...Array.from({ length: KILLS }, () => fc.integer({ min: 1, max: EVENTS / KILLS / 2 })));
const runs = { numRuns: Math.max(1, Math.round((500 / KILLS) * SCALE)), seed: SEED };

describe('child processes: torture', () => {
  afterEach(endAll);

  for (const [name, run] of Object.entries({ handling: killWhileHandling, sending: killWhileSending }))
    it(`lose nothing over 500 kills while ${name} (seed ${SEED})`, async () => {
      for (const one of fc.sample(points, runs)) {
        const moments = one.map((at, i) => at + (i * EVENTS) / KILLS);
        try {
          await run(moments);
        } catch (error) {
          throw new Error(`not kept when killed at ${moments.join(', ')}`, { cause: error });
        }
        await endAll();
      }
    });
});
