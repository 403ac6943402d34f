/**
 * A writer of the gap test in a process of its own: says on its standard output what was acknowledged. Arguments: how
 * to reach the store, as JSON, what the ids begin with, and how many events.
 */
import { writeSync } from 'node:fs';
import { writeForGaps } from './gap-writer.ts';
import { storeBy } from './subject.ts';
import type { Reach } from './subject.ts';
import { untilAnswered } from './until-answered.ts';

const [reach = '{}', writer = '', events = '0'] = process.argv.slice(2);

const store = await storeBy(JSON.parse(reach) as Reach);
await untilAnswered(() => store.open());
writeSync(1, 'open\n');
await writeForGaps(store, {
  writer,
  events: Number(events),
  acknowledged: ({ batch, size, position }) => writeSync(1, `${batch} ${size} ${position}\n`),
});
await store.close();
