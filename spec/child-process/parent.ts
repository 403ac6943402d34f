import { createBus } from '../../lib/index.ts';
import { connectProcesses } from '../../plugins/child-process/index.ts';

/** A parent of two children, which waits to be killed. */
const bus = await createBus();
const pids: unknown[] = [];
bus.on('child.here', ({ payload }) => {
  if (pids.push(payload) === 2) process.send!(pids);
});
connectProcesses(bus, { script: new URL('orphan.js', import.meta.url), size: 2 });
