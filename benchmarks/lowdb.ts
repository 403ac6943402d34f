import { logContender } from './log-contender.ts';
import type { Benchmark } from './benchmark.ts';
import { lowdbLog } from './rivals/lowdb-log.ts';
import { telltalePublish } from './rivals/telltale-log.ts';

/** lowdb rewrites the whole file for every event, without a sync; json-file appends, and syncs every group. */
export const lowdb: Benchmark = {
  comparisons: [
    () => ({
      title: '1,000 events, each acknowledged by the file: json-file with 64 in flight against lowdb',
      operation: 'event',
      contenders: [logContender(telltalePublish(), 64), logContender(lowdbLog(), 1)],
      targets: [{ rival: 'lowdb, one write an event', ratio: 100, later: true }],
      count: 1_000,
    }),
  ],
};
