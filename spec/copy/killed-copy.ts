/**
 * A process that copies one json-file log into another, and kills itself within 5 ms after it has told so many
 * stretches. Arguments: from, to, how many.
 */
import { writeSync } from 'node:fs';
import { copyStore, jsonFile } from '../../lib/index.ts';

const [from, to, stretches] = process.argv.slice(2);
let told = 0;
writeSync(1, 'begun\n');
await copyStore(jsonFile(from!, { readOnly: true }), jsonFile(to!, { segmentEvents: 512 }), {
  progress: ({ position }) => {
    writeSync(1, `${position}\n`);
    if (++told === Number(stretches)) setTimeout(() => process.kill(process.pid, 'SIGKILL'), Math.random() * 5);
  },
});
writeSync(1, 'done\n');
