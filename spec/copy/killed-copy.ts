/** A process that copies one json-file log into another, until it is done or killed. Arguments: from, to. */
import { writeSync } from 'node:fs';
import { copyStore, jsonFile } from '../../lib/index.ts';

const [from, to] = process.argv.slice(2);
writeSync(1, 'begun\n');
await copyStore(jsonFile(from!, { readOnly: true }), jsonFile(to!, { segmentEvents: 512 }), {
  progress: ({ position }) => void writeSync(1, `${position}\n`),
});
writeSync(1, 'done\n');
