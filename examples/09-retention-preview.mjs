// Say what is kept, look at what would go and why, then carry out exactly that.
import { createBus, memory } from 'telltale';

const rules = [
  { match: 'token.*', keepCount: 2 },
  { match: 'tool.**', keepFor: 0, wholeCorrelations: true },
  { match: 'agent.*', keepLatestByEntity: 1 },
  { match: 'error.*', keepFor: '90d' },
];
const bus = await createBus({ store: memory(), retention: { rules } });

for (const text of ['a', 'b', 'c', 'd', 'e']) bus.emit('token.streamed', { text });
for (const run of ['run-1', 'run-2']) {
  bus.emit('tool.search.started', { run }, { correlationId: run });
  bus.emit('tool.search.finished', { run }, { correlationId: run });
}
bus.emit('user.asked', { text: 'and run 2?' }, { correlationId: 'run-2' });
for (const state of ['idle', 'busy']) bus.emit('agent.changed', { state }, { entity: 'agent/7' });
bus.emit('error.db.timeout', { ms: 500 });

const plan = await bus.retention.preview();
for (const { from, to, goes, name = 'no rule', why } of plan.fates)
  console.log(`${from === to ? from : `${from}-${to}`} ${goes ? 'goes' : 'stays'}: ${name}, ${why}`);
console.log(`held back: ${plan.heldBack.chains.map((chain) => `${chain.correlationId} by ${chain.heldBy}`).join()}`);
console.log(`warning: ${plan.warnings.join()}`);

// What has come under protection since the preview is left: run-1 goes on.
bus.emit('tool.search.started', { run: 'run-1' }, { correlationId: 'run-1' });
const { removed, left } = await bus.retention.enforce(plan);
console.log(
  `removed ${removed.events} of ${plan.removes.events}, left ${left.events}: ${Object.keys(left.why).join()}`,
);
await bus.close();
