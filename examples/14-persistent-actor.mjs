// An account whose facts are its memory: `receive` decides, `apply` remembers, and a restart brings back what was stored.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBus, jsonFile } from 'telltale';

const account = {
  initial: { balance: 0 },
  key: 'payload.account',
  snapshotEvery: 100,
  receive({ balance }, { type, payload: { amount } }, { answer }) {
    if (type === 'balance.asked') return answer(balance);
    if (type === 'withdraw' && amount > balance) return answer('not enough');
    answer('done');
    return { type: type === 'withdraw' ? 'money.withdrawn' : 'money.deposited', payload: { amount } };
  },
  apply: ({ balance }, { type, payload: { amount } }) => ({
    balance: type === 'money.withdrawn' ? balance - amount : balance + amount,
  }),
};

const folder = await mkdtemp(join(tmpdir(), 'telltale-example-'));
{
  const bus = await createBus({ store: jsonFile(folder) });
  const accounts = bus.actor('account', account);
  for (const amount of [50, 30]) await accounts.ask('deposit', { account: 'ada', amount });
  console.log('withdraw 100:', await accounts.ask('withdraw', { account: 'ada', amount: 100 }));
  console.log('withdraw 60:', await accounts.ask('withdraw', { account: 'ada', amount: 60 }));
  await bus.close();
}
{
  const bus = await createBus({ store: jsonFile(folder) });
  const accounts = bus.actor('account', account);
  console.log('after a restart:', await accounts.ask('balance.asked', { account: 'ada' }));
  for await (const { revision, type, payload } of bus.query({ entity: 'account/ada' }))
    console.log(`  ${revision} ${type} ${payload.amount}`);
  // The same behaviour without an actor: load, decide, store, unless somebody else was faster.
  const command = { type: 'withdraw', payload: { amount: 20 } };
  const { state, revision, answer } = await bus.decide('account/ada', account, command);
  console.log(`decided: ${answer}, revision ${revision}, balance ${state.balance}`);
  await bus.close();
}
await rm(folder, { recursive: true });
