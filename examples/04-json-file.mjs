// Events in a folder: they outlive the process, answer queries, and a repeated id is stored once.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBus, jsonFile } from 'telltale';

const folder = await mkdtemp(join(tmpdir(), 'telltale-example-'));

{
  const bus = await createBus({ source: 'diary', store: jsonFile(folder) });
  for (const text of ['first', 'second', 'third']) await bus.publish('entry.written', { text }, { entity: 'diary/1' });
  // A retry with the same id is safe: it answers the first receipt.
  const first = await bus.publish('entry.sealed', {}, { id: 'seal-1', entity: 'diary/1' });
  const again = await bus.publish('entry.sealed', {}, { id: 'seal-1', entity: 'diary/1' });
  console.log(
    `durability ${first.durability}, duplicate ${again.duplicate}, positions ${first.position} ${again.position}`,
  );
  await bus.close();
}

{
  const bus = await createBus({ source: 'reader', store: jsonFile(folder) });
  const { events } = await bus.query({ type: 'entry.written', direction: 'backward', limit: 2 });
  console.log('the newest two:', events.map(({ payload, position }) => `${position} ${payload.text}`).join(', '));
  console.log('all in all:', await bus.count({ entity: 'diary/1' }));
  await bus.close();
}
await rm(folder, { recursive: true });
