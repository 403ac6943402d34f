import { writeFileSync } from 'node:fs';
import { connectToParent } from 'telltale/plugins/child-process';

/** Something keeps it alive, whatever becomes of its parent; where it stays, it says so, and one that exits has long gone by then. */
const [, , orphaned, note] = process.argv as [string, string, 'exit' | 'stay', string];
setInterval(() => undefined, 3_600_000);
process.on('disconnect', () => {
  setTimeout(
    () => {
      writeFileSync(note, 'has stayed');
      process.exit(0);
    },
    orphaned === 'stay' ? 300 : 10_000,
  );
});
const bus = await connectToParent({ orphaned });
bus.emit('child.here', process.pid);
