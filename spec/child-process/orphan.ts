import { connectToParent } from '../../plugins/child-process/index.ts';

/** Something keeps it alive for an hour, whatever becomes of its parent. */
setInterval(() => undefined, 3_600_000);
const bus = await connectToParent();
bus.emit('child.here', process.pid);
