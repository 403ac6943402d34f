// Wait until all parts of one correlation are done, or one of them has failed.
import { setTimeout as wait } from 'node:timers/promises';
import { createBus, memory } from 'telltale';

const bus = await createBus({ source: 'team', store: memory() });

bus.on('scan.started', (event, { emit }) => {
  for (const path of event.payload.paths) emit('file.found', { path });
});
const reading = { key: 'payload.path', concurrency: 4 };
bus.on(
  'file.found',
  async ({ payload }, { emit }) => {
    await wait(payload.path.length);
    if (payload.path.endsWith('.bin')) emit('file.failed', { ...payload, reason: 'binary' });
    else emit('file.parsed', payload);
  },
  reading,
);

async function scan(paths) {
  const started = await bus.publish('scan.started', { paths });
  return bus.join(
    started.event.correlationId,
    { 'file.parsed': paths.length },
    { failOn: 'file.failed', timeout: '5s' },
  );
}

const { complete, events } = await scan(['a.ts', 'bb.ts', 'ccc.ts']);
console.log(`complete: ${complete}, ${events.map(({ payload }) => payload.path).join(' ')}`);
await scan(['d.ts', 'e.bin']).catch((error) => console.log(`second scan: ${error.code}`));
await bus.close();
