import { logContender } from './log-contender.ts';
import type { Benchmark } from './benchmark.ts';
import { FULL, type Comparison, type Pace } from './measure.ts';
import type { LogRival } from './rivals/log-rival.ts';
import { rawLog } from './rivals/raw-log.ts';
import { telltaleAppend, telltalePublish, telltaleStore } from './rivals/telltale-log.ts';

function againstRawLoop(ours: LogRival, inFlight: number, pace: Pace, ratio?: number): Comparison {
  const count = pace === FULL ? 300 * inFlight : 50 * inFlight;
  return {
    title: `durable append to json-file, ${inFlight} in flight, 350 bytes`,
    operation: 'event',
    contenders: [logContender(ours, inFlight), logContender(rawLog(), inFlight)],
    targets: ratio === undefined ? [] : [{ rival: 'raw loop', ratio }],
    count,
  };
}

export const append: Benchmark = {
  comparisons: [
    (pace) => againstRawLoop(telltaleStore(), 64, pace, 0.5),
    (pace) => againstRawLoop(telltalePublish(), 64, pace, 0.5),
    (pace) => againstRawLoop(telltaleAppend(), 64, pace),
    (pace) => againstRawLoop(telltalePublish(), 1, pace),
  ],
};
