/**
 * Writes one document with the fence of whoever holds the lease, and reads that anew only when it is refused. Argument:
 * how to reach the store, as JSON.
 */
import { isTelltaleError } from '../../../lib/plugin.ts';
import { putFenced } from './fence-test.ts';
import { storeBy } from './subject.ts';
import type { Reach } from './subject.ts';
import { untilAnswered } from './until-answered.ts';

const store = await storeBy(JSON.parse(process.argv[2] ?? '{}') as Reach);
await untilAnswered(() => store.open());
for (;;)
  try {
    await putFenced(store);
  } catch (error) {
    if (!isTelltaleError(error, 'LEASE_LOST')) throw error;
  }
