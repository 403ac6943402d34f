// What did the shelf hold, and when? A state is never stored: it is folded from events, up to any place in the log.
import { createBus, memory } from 'telltale';

const bus = await createBus({ source: 'shop', store: memory() });
const at = (hour) => new Date(Date.UTC(2026, 2, 1, hour));
const move = (type, n, hour) => bus.publish(type, { n }, { entity: 'shelf/7', time: at(hour) });

await move('stock.delivered', 20, 8);
await move('stock.taken', 3, 9);
const broken = await move('stock.broken', 5, 11);
await move('stock.taken', 4, 15);
// Told late: it happened at ten.
await move('stock.taken', 1, 10);

const shelf = (state, { type, payload }) => ({
  left: type === 'stock.delivered' ? state.left + payload.n : state.left - payload.n,
  moves: state.moves + 1,
});
const fold = (options) => bus.fold({ left: 0, moves: 0 }, shelf, { entity: 'shelf/7', ...options });
const print = (when, { left, moves }) => console.log(`${when.padEnd(14)} ${left} left after ${moves} moves`);

print('now', await fold());
for (const hour of [8, 10, 12]) print(`at ${hour} o’clock`, await fold({ until: at(hour) }));
print('at position 2', await fold({ until: 2 }));
print('with the loss', await fold({ until: { eventId: broken.event.id } }));

const failed = await bus.fold(0, () => null.oops, { entity: 'shelf/7' }).catch((error) => error);
console.log(`${failed.code} at position ${failed.details.position}`);
await bus.close();
