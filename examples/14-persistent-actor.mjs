// An account whose facts are its memory: `receive` decides, `apply` remembers, and a restart brings back what was stored.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBus, jsonFile } from 'telltale';

const account = {
  initial: { balance: 0 },
  key: 'payload.account',
  snapshot: { every: 100, after: '1d', bytes: 1_000_000 },
  receive({ balance }, { type, payload: { amount } }, { answer }) {
    if (type === 'withdraw' && amount > balance) return answer('not enough');
    answer('done');
    return { type: type === 'withdraw' ? 'money.withdrawn' : 'money.deposited', payload: { amount } };
  },
  apply: ({ balance }, { type, payload: { amount } }) =>
    type === 'money.withdrawn' ? { balance: balance - amount } : { balance: balance + amount },
};
const folder = await mkdtemp(join(tmpdir(), 'telltale-example-'));
{
  const bus = await createBus({ store: jsonFile(folder) });
  const accounts = bus.actor('account', account);
  for (const amount of [50, 30]) await accounts.ask('deposit', { account: 'ada', amount });
  for (const amount of [100, 60])
    console.log(`withdraw ${amount}:`, await accounts.ask('withdraw', { account: 'ada', amount }));
  await bus.close();
}
{
  const bus = await createBus({ store: jsonFile(folder) });
  const accounts = bus.actor('account', account);
  console.log('after a restart:', await accounts.state('ada'));
  const { events } = await bus.query({ entity: 'account/ada' });
  for (const { revision, type, payload } of events) console.log(`  ${revision} ${type} ${payload.amount}`);
  // The same behaviour without an actor: load, decide, store, unless somebody else was faster.
  const { state, answer } = await bus.decide('account/ada', account, { type: 'withdraw', payload: { amount: 20 } });
  console.log('decided:', answer, state);
  await bus.close();
}
await rm(folder, { recursive: true });
