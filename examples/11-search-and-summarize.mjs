// Ask a log what happened: find words, group and count, see which index would have helped.
import { createBus, memory } from 'telltale';

const bus = await createBus({ source: 'agent', store: memory() });

const START = Date.UTC(2026, 0, 31, 3);
const calls = [
  ['websearch', 420, 'ok'],
  ['websearch', 3_900, 'Connection timed out: search.example.com'],
  ['shell', 35, 'ok'],
  ['shell', 41, 'ok'],
  ['websearch', 4_100, 'connection TIMED OUT: search.example.com'],
  ['shell', 5_000, 'timed out'],
];
calls.forEach(([tool, tookMs, outcome], i) => {
  const type = outcome === 'ok' ? 'tool.finished' : 'tool.failed';
  bus.emit(type, { tool, tookMs, outcome }, { time: START + i * 20 * 60_000, entity: `tool/${tool}` });
});

const { hits } = await bus.search('"timed out" connection');
for (const { event, matches } of hits) console.log(`${event.position} ${matches[0].path}: ${matches[0].excerpt}`);

const { rows } = await bus.summarize({ by: 'payload.tool', count: true, avg: 'payload.tookMs' });
for (const { key, count, avg } of rows) console.log(`${key.join()}: ${count} calls, ${Math.round(avg)} ms on average`);

const hourly = await bus.summarize({ pattern: 'tool.failed', bucket: '1h', count: true });
console.log(`failures an hour: ${hourly.rows.map(({ count }) => count).join(' ')}`);

const { scanned, matched, suggestion } = await bus
  .query({ where: { 'payload.tool': 'shell', type: '*.failed' } })
  .explain();
console.log(`${scanned} looked at for ${matched}; memory({ index: ['${suggestion}'] }) would help`);

const { events, types } = await bus.stats();
console.log(`${events} events: ${types.top.map(({ name, events: count }) => `${count} ${name}`).join(', ')}`);
await bus.close();
