// A worker that breaks on one parcel: it begins anew, gives that parcel up after three attempts, and goes on.
import { createBus } from 'telltale';

const bus = await createBus({ source: 'post' });
const about = ({ type, payload }) => `${type} ${payload.name}${payload.error ? `: ${payload.error.message}` : ''}`;
const unlisten = bus.on('$actor.*', (event) => console.log(' ', about(event)));

const depot = bus.actor('depot', {
  initial: 0,
  receive(parcels, { type, payload }, { spawn, self }) {
    if (type === 'parcel.sorted') return parcels + 1;
    const sorter = spawn('sorter', {
      initial: null,
      supervise: {
        strategy: 'restart',
        attempts: 3,
        backoff: { delay: 10, jitter: 0 },
        maxRestarts: 10,
        within: '60s',
      },
      receive(_, { payload: parcel }) {
        if (parcel.address === undefined) throw new Error(`parcel ${parcel.id} has no address`);
        self.tell('parcel.sorted', parcel);
      },
    });
    sorter.tell('parcel.handed', payload);
    return parcels;
  },
});

for (const parcel of [{ id: 1, address: 'Berlin' }, { id: 2 }, { id: 3, address: 'Rome' }])
  depot.tell('parcel.arrived', parcel);
await bus.settled();
console.log('sorted:', await depot.state());
const [letter] = await bus.deadLetters.list();
console.log(`dead letter for ${letter.recipient} after ${letter.attempts} attempts: ${letter.error.message}`);
unlisten();
await bus.close();
