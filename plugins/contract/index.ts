import { admitting } from './admitting.ts';
import { appending } from './appending.ts';
import { documents } from './documents.ts';
import { expectations } from './expectations.ts';
import { feeding } from './feeding.ts';
import { createTest } from './harness.ts';
import type { ContractOptions, CreateStore, Runner } from './harness.ts';
import { idempotency } from './idempotency.ts';
import { leasing } from './leasing.ts';
import { lifecycle } from './lifecycle.ts';
import { reading } from './reading.ts';
import { removing } from './removing.ts';
import { sweeping } from './sweeping.ts';
import { takingOver } from './taking-over.ts';

export { buildEvent, buildEvents } from './build-event.ts';
export type { ContractContext, ContractOptions, CreateStore, Runner } from './harness.ts';

const CHAPTERS = {
  appending,
  idempotency,
  expectations,
  reading,
  removing,
  sweeping,
  takingOver,
  documents,
  leasing,
  feeding,
  lifecycle,
  admitting,
};

/**
 * Defines the tests that every store must pass. They assert with node:assert, so that any runner with `describe` and
 * `it` will do; each test has a fresh store from `createStore`, opens it with a clock of its own and closes it.
 *
 * ```js
 * import { describe, it, before, after } from 'node:test'
 * testStore('my store', () => myStore(), { describe, it, before, after })
 * ```
 */
export function testStore(name: string, createStore: CreateStore, runner: Runner, options: ContractOptions = {}): void {
  runner.describe(`${name} keeps the store contract`, () => {
    for (const [chapter, define] of Object.entries(CHAPTERS))
      runner.describe(chapter, () => define(createTest({ chapter, createStore, runner, options })));
  });
}
