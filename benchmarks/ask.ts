import { createBus } from '../lib/index.ts';
import type { Benchmark } from './benchmark.ts';
import type { Comparison, Contender } from './measure.ts';
import { PAYLOAD_350 } from './payloads.ts';
import { emitterAsk, emitteryAsk, type AskRival } from './rivals/emitter-ask.ts';

const IN_FLIGHT = 64;

async function telltaleAsk(payload: 'copy' | 'trust'): Promise<AskRival> {
  const bus = await createBus({ source: 'benchmark', payload });
  return {
    name: 'telltale',
    answer: (handler) => void bus.answer('price.get', (event) => handler(event.payload)),
    ask: (asked) => bus.ask('price.get', asked),
    close: () => bus.close(),
  };
}

function contender(rival: AskRival, inFlight: number): Contender {
  let asked = 0;
  let answered = 0;
  rival.answer(() => asked++);
  const askInTurn = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) {
      await rival.ask(PAYLOAD_350);
      answered++;
    }
  };
  return {
    name: rival.name,
    before: () => void (asked = answered = 0),
    run: async (count) => {
      const share = Math.ceil(count / inFlight);
      const shares = Array.from({ length: inFlight }, (_, i) => Math.max(0, Math.min(share, count - i * share)));
      await Promise.all(shares.map(askInTurn));
    },
    done: () => Math.min(asked, answered),
    close: () => rival.close?.(),
  };
}

async function local(payload: 'copy' | 'trust', inFlight: number): Promise<Comparison> {
  const rivals = [await telltaleAsk(payload), emitterAsk(), emitteryAsk()];
  return {
    title: `ask and answer in one thread, 350 bytes, payload ${payload}, ${inFlight} in flight`,
    operation: 'ask',
    contenders: rivals.map((rival) => contender(rival, inFlight)),
    targets: [{ rival: 'emittery, correlation id', ratio: 1 }],
  };
}

export const ask: Benchmark = {
  comparisons: [() => local('copy', 1), () => local('copy', IN_FLIGHT), () => local('trust', 1)],
};
