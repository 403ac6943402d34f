import type { Benchmark } from './benchmark.ts';
import type { Comparison, Contender, Target } from './measure.ts';
import { PAYLOAD_350 } from './payloads.ts';
import type { EmitRival } from './rivals/emit-rival.ts';
import { emittery } from './rivals/emittery.ts';
import { eventEmitter2 } from './rivals/eventemitter2.ts';
import { eventEmitter3 } from './rivals/eventemitter3.ts';
import { mqEmitter } from './rivals/mqemitter.ts';
import { nodeEvents } from './rivals/node-events.ts';
import { rxjsSubject } from './rivals/rxjs-subject.ts';
import { telltaleBus } from './rivals/telltale-bus.ts';
import { withSameWork } from './rivals/with-same-work.ts';

const RIVALS = [mqEmitter, nodeEvents, eventEmitter3, eventEmitter2, rxjsSubject, emittery];

function contender(rival: EmitRival, listeners: number): Contender {
  let heard = 0;
  for (let n = 0; n < listeners; n++) rival.subscribe(() => void heard++);
  return {
    name: rival.name,
    before: () => void (heard = 0),
    run: rival.name.endsWith('awaited') ? (count) => emitAwaited(rival, count) : (count) => emitAll(rival, count),
    done: () => heard / listeners,
    close: () => rival.close?.(),
  };
}

function emitAll(rival: EmitRival, count: number): void {
  for (let n = 0; n < count; n++) void rival.emit(PAYLOAD_350);
}

async function emitAwaited(rival: EmitRival, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await rival.emit(PAYLOAD_350);
}

/** Nothing but delivery against the bus with all it does, save the snapshot. */
async function trusted(listeners: number, targets: readonly Target[]): Promise<Comparison> {
  const rivals = [await telltaleBus('trust'), ...RIVALS.map((create) => create())];
  return {
    title: `emit, payload trusted, ${listeners} subscriber${listeners === 1 ? '' : 's'}, against bare rivals`,
    operation: 'emit',
    contenders: rivals.map((rival) => contender(rival, listeners)),
    targets,
  };
}

/** The bus as it comes against rivals that are given the same work. */
async function asByDefault(): Promise<Comparison> {
  const rivals = [await telltaleBus('copy'), ...RIVALS.map((create) => withSameWork(create()))];
  return {
    title: 'emit by default, 350 bytes, against rivals with the same snapshot, envelope, context and isolation',
    operation: 'emit',
    contenders: rivals.map((rival) => contender(rival, 1)),
    targets: rivals
      .slice(1)
      .map(({ name }) => (name === 'mqemitter' ? { rival: name, ratio: 2 } : { rival: name, ratio: 3, later: true })),
  };
}

export const emit: Benchmark = {
  comparisons: [
    () => trusted(1, [{ rival: 'mqemitter', ratio: 0.6 }]),
    () =>
      trusted(10, [
        { rival: 'mqemitter', ratio: 1.5, later: true },
        { rival: 'emittery, awaited', ratio: 10, later: true },
      ]),
    asByDefault,
  ],
};
