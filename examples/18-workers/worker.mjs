// A worker of 18-workers.mjs: its bus is the parent's, seen from this thread.
import { connectToParent } from 'telltale/plugins/worker-threads';

const bus = await connectToParent();

bus.on('file.found', async ({ payload: { file } }, { emit }) => {
  if (file === 'poison.ts') process.exit(1);
  emit('file.parsed', { file, lines: file.length });
});

bus.answer('text.checked', async ({ payload: text }, { ask }) => {
  const banned = [];
  for (const word of text.split(' ')) if (await ask('word.banned', word)) banned.push(word);
  return { banned };
});
