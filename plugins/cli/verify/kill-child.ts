/**
 * Appends until it is killed, and says on its standard output what was acknowledged, before the next append of its lane
 * begins. Arguments: how to reach the store, as JSON, and what the ids begin with.
 */
import { writeSync } from 'node:fs';
import type { Store, TelltaleEvent } from '../../../lib/plugin.ts';
import { storeBy } from './subject.ts';
import type { Reach } from './subject.ts';

const [reach = '{}', label = ''] = process.argv.slice(2);
const LANES = 3;
const LARGE = 20_000;

async function append(store: Store, lane: number): Promise<never> {
  for (let n = 0; ; n++) {
    const batch = `${label}-${lane}-${n}`;
    const size = 1 + (n % 4);
    const events = Array.from({ length: size }, (_, i): TelltaleEvent => {
      const id = `${batch}-${i}`;
      return {
        id,
        type: 'kill.tested',
        source: 'verify',
        time: n,
        entity: `lane/${label}-${lane}`,
        correlationId: id,
        schemaVersion: 1,
        payload: { size, text: 'x'.repeat(n % 5 === 4 ? LARGE : 200) },
        metadata: {},
      };
    });
    const { position } = await store.append(events);
    writeSync(1, `${batch} ${size} ${position}\n`);
  }
}

const store = await storeBy(JSON.parse(reach) as Reach);
await store.open();
writeSync(1, 'open\n');
await Promise.all(Array.from({ length: LANES }, (_, lane) => append(store, lane)));
