import { writeFileSync } from 'node:fs';
import { connectToParent } from 'telltale/plugins/child-process';

/** Something keeps it alive, whatever becomes of its parent; where it stays, it says so later. */
const [, , orphaned, note] = process.argv as [string, string, 'exit' | 'stay', string];
setInterval(() => undefined, 3_600_000);
process.on('disconnect', () => {
  setTimeout(() => {
    writeFileSync(note, 'has stayed');
    process.exit(0);
  }, 300);
});
const bus = await connectToParent({ orphaned });
bus.emit('child.here', process.pid);
