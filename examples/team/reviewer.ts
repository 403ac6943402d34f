import { createBus } from 'telltale';
import { teamEvents } from './events.ts';
import { serveLink } from './link-worker.ts';
import { review } from './review.ts';

const bus = await createBus({ source: 'reviewer', events: teamEvents });

// Runs in its own thread: flags every parsed file that is over a limit.
serveLink(bus, {
  'file.parsed': ({ payload, entity }) => {
    for (const flag of review(payload)) bus.emit('file.flagged', flag, entity === undefined ? {} : { entity });
  },
});
