/**
 * A process with a durable actor that is killed in the middle. Arguments: the folder of its log; `before` to tell it 20
 * events that it never gets to handle, or the number of the event in whose `receive`, or behind it, the process dies;
 * `run` to handle what there is. Says on its standard output what it has come to.
 */
import { writeSync } from 'node:fs';
import { createBus, jsonFile } from 'telltale';
import { ledger } from './ledger-actor.ts';

const [folder = '', when = 'run', point = 'during'] = process.argv.slice(2);
const EVENTS = 20;
const die = (): void => process.kill(process.pid, 'SIGKILL') as unknown as void;

const bus = await createBus({ store: jsonFile(folder) });
let handled = 0;
const actor = bus.actor('ledger', {
  ...ledger,
  receive: async (state, event, context) => {
    if (when === 'before') await new Promise(() => undefined);
    if (point === 'during' && ++handled === Number(when)) die();
    return ledger.receive(state, event, context);
  },
});
if (point === 'after')
  bus.on('ledger.added', () => {
    if (++handled === Number(when)) die();
  });
if (when === 'before') {
  for (let i = 1; i <= EVENTS; i++) actor.tell('add', i);
  await bus.flush();
  writeSync(1, 'told\n');
  die();
}
while (((await actor.state())?.seen.length ?? 0) < EVENTS) await new Promise((next) => setTimeout(next, 5));
// What was handled twice would come now.
await bus.settled();
const letters = (await bus.deadLetters.list()).length;
writeSync(1, `${JSON.stringify({ ...(await actor.state()), letters })}\n`);
await bus.close();
