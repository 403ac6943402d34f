// Tell a morning again, 3,600 times as fast, to a handler that has changed, and compare what it decides.
import { createBus, memory } from 'telltale';

const bus = await createBus({ source: 'butler', store: memory() });

// How it was: an umbrella against rain, boots against snow.
bus.on('weather.changed', ({ payload }, { emit }) => {
  if (payload.sky === 'snowing') emit('boots.fetched', payload);
  else emit('advice.given', { take: payload.sky === 'raining' ? 'umbrella' : 'walk' });
});
const hour = (at) => Date.UTC(2026, 0, 31, at);
const skies = { 8: 'sunny', 9: 'raining', 12: 'snowing' };
for (const [at, sky] of Object.entries(skies)) bus.emit('weather.changed', { sky }, { time: hour(Number(at)) });
const selection = { pattern: 'weather.*', speed: 3_600 };
const plan = await bus.replay({ ...selection, dryRun: true }).finished;
console.log(`a dry run: ${plan.events} events, 4 hours of log in ${plan.durationMs} ms`);

// How it would be now. What it emits goes nowhere but into the result.
const replay = bus.replay({
  ...selection,
  maxGap: 500,
  into: ({ payload, time }, { emit }) => {
    const take = payload.sky === 'raining' ? 'umbrella' : 'walk';
    console.log(`${new Date(time).getUTCHours()}:00 ${payload.sky} → ${take}`);
    emit('advice.given', { take: payload.sky === 'sunny' ? 'umbrella' : take });
  },
});
replay.progress.subscribe({ complete: () => console.log('the progress is complete') });
const { delivered, tookMs, compare } = await replay.finished;
console.log(`${delivered} told, in less than the 4 seconds of the dry run thanks to maxGap: ${tookMs < 4_000}`);

const { same, changed, missing, new: added } = await compare();
const [{ original, replayed }] = changed;
const change = `${original.payload.take} → ${replayed.payload.take}`;
console.log(`same ${same}, changed ${changed.length} (${change}), missing ${missing.length}, new ${added.length}`);
console.log(`the log still has ${await bus.count()} events`);
await bus.close();
