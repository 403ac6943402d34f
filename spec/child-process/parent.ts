import { createBus } from 'telltale';
import { connectProcesses } from 'telltale/plugins/child-process';

/** A parent of a child, which waits to be killed. */
const bus = await createBus();
bus.on('child.here', ({ payload }) => void process.send!(payload));
connectProcesses(bus, { script: new URL('orphan.js', import.meta.url), args: process.argv.slice(2) });
