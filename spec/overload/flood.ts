import { createBus, memory } from '../../lib/index.ts';
import type { TelltaleEvent } from '../../lib/index.ts';
import type { Overflow } from '../../lib/mailbox/overflow.ts';

/** Ten times as many events as the handler can take, for some seconds; prints one JSON line of what came of it. */
const policy = process.argv[2] as Overflow;
const runMs = Number(process.argv[3]);
const stored = process.argv[4] === 'stored';

const HANDLED_PER_TURN = 10;
const OFFERED_PER_TURN = 10 * HANDLED_PER_TURN;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const bus = await createBus({ ...(stored && { store: memory({ capacity: 2_000 }) }), ingress: { max: 1_000 } });
const payload = { text: 'x'.repeat(200), list: [1, 2, 3] };
let inTurn = 0;
let refusals = 0;
let read = 0;
let lagged = 0;

if (policy === 'lag') void readSlowly();
else {
  const mailbox = { max: 1_000, overflow: policy };
  const slow = async (): Promise<void> => {
    if (++inTurn % HANDLED_PER_TURN === 0) await turn();
  };
  bus.on('flood.came', slow, { mailbox, key: 'payload.key', concurrency: 1 });
}

await floodFor(runMs / 2);
globalThis.gc?.();
const before = process.memoryUsage().rss;
const flood = await floodFor(runMs);
const p99Ms = flood.holds.toSorted((a, b) => a - b)[Math.floor(flood.holds.length * 0.99)];
const metrics = bus.metrics();
const grownMiB = (flood.peak - before) / 2 ** 20;
console.log(JSON.stringify({ policy, p99Ms, grownMiB, refusals, read, lagged, metrics }));
process.exit(0);

// How long a turn holds the loop is told in time of the processor: that of the wall is also what other programs take.
async function floodFor(ms: number): Promise<{ readonly peak: number; readonly holds: readonly number[] }> {
  const holds: number[] = [];
  let peak = 0;
  const end = performance.now() + ms;
  for (let n = 0; performance.now() < end; n++) {
    const used = process.cpuUsage();
    for (let i = 0; i < OFFERED_PER_TURN; i++) offer({ ...payload, key: i % 50 });
    await turn();
    const { user, system } = process.cpuUsage(used);
    holds.push((user + system) / 1_000);
    if (n % 50 === 0) peak = Math.max(peak, process.memoryUsage().rss);
  }
  return { peak, holds };
}

// A bus that is full says so by a typed error, and the program goes on.
function offer(event: object): void {
  try {
    bus.emit('flood.came', event);
  } catch (error) {
    if ((error as { code?: string }).code !== 'INGRESS_FULL') throw error;
    refusals++;
  }
}

async function readSlowly(): Promise<void> {
  const reader: AsyncIterable<TelltaleEvent> = bus.iterate('flood.came', { mailbox: { max: 1_000 } });
  for await (const event of reader) {
    if (event.type === '$bus.lagged') lagged += (event.payload as { missed: number }).missed;
    else read++;
    if (read % HANDLED_PER_TURN === 0) await turn();
  }
}
