import { expectBounded, Flooder } from '../overload/checks.ts';
import { SCENARIOS, type ScenarioName } from '../overload/scenarios.ts';

/** 1 is the full length, an hour over all; `TORTURE=0.01` is a taste of it. */
const SCALE = Number(process.env['TORTURE'] ?? 1);
const names = Object.keys(SCENARIOS) as ScenarioName[];
const RUN_MS = (SCALE * 3_600_000) / names.length;

describe('ten times as many events as a handler can take: torture', () => {
  for (const scenario of names) {
    it(`are bounded with ${scenario}`, async () => {
      const flooder = new Flooder();
      try {
        await expectBounded(flooder, scenario, RUN_MS);
      } finally {
        await flooder.end();
      }
    });
  }
});
