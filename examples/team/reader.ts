import { connectToParent } from 'telltale/plugins/worker-threads';
import { teamEvents } from './events.ts';
import { read } from './read.ts';

// A worker thread, one of several: each file that is found goes to one of them. They have one name, for where a reader
// has died another one may say the same, and then it has to be the same.
const bus = await connectToParent({ source: 'reader', events: teamEvents });
bus.on('file.found', read);
