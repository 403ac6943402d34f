import type { TelltaleEvent } from 'telltale';
import type { TeamBus, TeamEvents } from './events.ts';
import type { Link, Outcome } from './link.ts';

/** Lets a member do its duty for the event and takes what it says about it onto the bus. */
export async function handOver(bus: TeamBus, link: Link, event: TelltaleEvent): Promise<void> {
  await accept(bus, await ask(link, event));
}

/** What a member says about the event. Throws what it failed with. */
export async function ask(link: Link, event: TelltaleEvent): Promise<readonly TelltaleEvent[]> {
  const { error, emitted } = await link.deliver(event);
  if (error) throw toError(error);
  return emitted;
}

/** All or nothing: a file counts as read only together with what was found in it. */
export async function accept(bus: TeamBus, emitted: readonly TelltaleEvent[]): Promise<void> {
  const batch = bus.batch();
  const passing: (() => void)[] = [];
  for (const { type: text, payload, ...envelope } of emitted) {
    const type = text as keyof TeamEvents;
    if (!bus.schemas.isTransient(type)) batch.add(type, payload as never, envelope);
    else passing.push(() => bus.emit(type, payload as never, { source: envelope.source }));
  }
  if (batch.size > 0) await batch.commit();
  for (const emit of passing) emit();
}

/** The event of this type among those emitted: its payload. */
export function answerOf<T extends keyof TeamEvents>(emitted: readonly TelltaleEvent[], wanted: T): TeamEvents[T] {
  const answer = emitted.find(({ type }) => type === wanted);
  if (answer) return answer.payload as TeamEvents[T];
  throw new Error(`nobody answered with ${wanted}`);
}

/** A failure of another thread as an error of this one. */
export function toError({ message, code }: NonNullable<Outcome['error']>): Error {
  return Object.assign(new Error(message), { code });
}
