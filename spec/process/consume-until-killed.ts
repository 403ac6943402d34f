/**
 * A process that consumes a log until it kills itself. Arguments: folder, run, the handled event and how often its
 * checkpoint has moved by then, at or behind which it dies (0: it goes on to the end). It writes each position, when its work is done,
 * to `handled.txt`, and prints where its consumer began.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { createBus, fileTarget, jsonFile } from 'telltale';

const [, , folder = '', run = '', dieAt = '0', dieBehind = '0'] = process.argv;
const store = jsonFile(join(folder, 'log'));
const bus = await createBus({ store });
const began = (await bus.consumers.list()).find(({ name }) => name === 'plain')?.position ?? 0;
console.log(JSON.stringify({ began }));

let handled = 0;
let kept = 0;
let reached = began;
const dieIfDue = (): void => {
  if (dieAt !== '0' && handled >= Number(dieAt) && kept >= Number(dieBehind)) process.kill(process.pid, 'SIGKILL');
};
const put = store.putDocument.bind(store);
store.putDocument = async (collection, key, value, ...rest) => {
  const answer = await put(collection, key, value, ...rest);
  // Its first one only says who has it.
  const { seats } = Object(value) as { readonly seats?: readonly { readonly position: number }[] };
  if (collection === 'checkpoints' && key === 'plain' && seats![0]!.position > reached) {
    reached = seats![0]!.position;
    kept++;
  }
  dieIfDue();
  return answer;
};
const plain = bus.consume(
  'plain',
  'a',
  async ({ position }) => {
    await new Promise((resolve) => setImmediate(resolve));
    appendFileSync(join(folder, 'handled.txt'), `${run} ${position}\n`);
    handled++;
    dieIfDue();
  },
  { key: 'entity' },
);
const totals = fileTarget<number[]>(join(folder, 'totals.json'), []);
const exact = bus.consume('exact', 'a', (events, { tx }) => tx.state.push(...events.map(({ position }) => position)), {
  checkpointIn: totals,
  batch: { max: 20 },
});
for (let n = 0; n < 120; n++) await bus.publish('a', n, { entity: `n/${n % 9}` });
if (dieAt === '0') {
  await Promise.all([plain.caughtUp(), exact.caughtUp()]);
  await bus.close();
} else setInterval(() => bus.emit('a', 'and on'), 1);
