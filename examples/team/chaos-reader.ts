import { setImmediate as nextTurn } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import { connectToParent } from 'telltale/plugins/worker-threads';
import type { ChaosData } from './chaos.ts';
import { teamEvents } from './events.ts';
import { obey } from './obey.ts';
import { read } from './read.ts';

// A reader that dies when it is told to: before it reads a file, or when what it says is on its way and the parent does
// not know yet that the file is done with.
const bus = await connectToParent({ source: 'reader', events: teamEvents });
bus.on('file.found', async (event, context) => {
  await obey(workerData as ChaosData, 'before');
  read(event, context);
  await nextTurn();
  await obey(workerData as ChaosData, 'after');
});
