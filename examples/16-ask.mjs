// Questions and answers: one of many answerers, all of them, a question for each of a list, and tokens as they come.
import { createBus } from 'telltale';

const bus = await createBus();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Two reviewers share the questions of one type: whoever is free gets the next.
for (const by of ['ann', 'bob']) bus.answer('review.wanted', ({ payload }) => ({ by, ok: payload.lines < 100 }));
console.log('one:', await bus.ask('review.wanted', { lines: 20 }));
const all = await bus.ask('review.wanted', { lines: 200 }, { to: 'all' });
console.log('all:', all.map(({ value }) => `${value.by} says ${value.ok}`).join(', '));

// A question for each file, at most two at once; a failed answer stops nobody.
bus.answer('file.parse', async ({ payload }) => {
  if (payload.file === 'b.bin') throw Object.assign(new Error('not a text'), { code: 'E_BINARY' });
  await pause(payload.file === 'a.ts' ? 30 : 1);
  return payload.file.length;
});
const files = ['a.ts', 'b.bin', 'cc.ts'].map((file) => ({ file }));
for await (const { ok, value, error, event } of bus.askEach('file.parse', files, { concurrency: 2 }))
  console.log('each:', event.payload.file, ok ? value : `${error.code} by ${error.cause.code}`);

// An answer in parts: the model stops when nobody listens any more.
bus.answer('model.complete', async function* ({ payload }) {
  for (const word of `${payload.prompt} was a bus that forgot nothing`.split(' ')) yield word;
});
let text = 'stream:';
for await (const word of bus.askStream('model.complete', { prompt: 'once there' })) {
  text += ` ${String(word)}`;
  if (word === 'bus') break;
}
console.log(text);

// Nothing waits for ever, and nobody for himself.
bus.answer('plan.wanted', async (_, { ask }) => ask('plan.wanted', {}));
bus.answer('clock.read', async () => pause(200));
for (const type of ['plan.wanted', 'clock.read', 'nobody.there'])
  await bus.ask(type, {}, { timeout: 50 }).catch(({ code }) => console.log('failed:', type, code));
await bus.close();
