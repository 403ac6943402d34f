import type { TeamBus } from './events.ts';
import { review } from './review.ts';

/**
 * An actor that flags every parsed file that is over a limit. Its mailbox is the log: what was parsed just before the
 * process ended is reviewed when it runs again, and the ids see to it that no flag is stored twice.
 */
export function startReviewer(bus: TeamBus): void {
  bus.actor('reviewer', {
    initial: undefined,
    on: 'file.parsed',
    durable: true,
    receive(_, event, { emit }) {
      if (event.type !== 'file.parsed') return;
      for (const flag of review(event.payload))
        emit('file.flagged', flag, { id: `${event.id}/${flag.rule}`, entity: event.entity!, source: 'reviewer' });
    },
  });
}
