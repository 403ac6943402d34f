import { expect } from 'chai';
import type { SubscriptionFigures } from '../../lib/router/subscription-figures.ts';
import { expectBalanced } from './balance.ts';

export type Policy = 'reject' | 'drop-oldest' | 'latest-by-key';

interface Job {
  readonly key: string;
  readonly number: number;
}

/** What a subscription with keys must do, told step by step; every step that is not allowed fails the test. */
export interface LaneModel {
  emitting(job: Job): void;
  started(number: number, attempt: number): void;
  finishing(number: number, ok: boolean): void;
  check(figures: SubscriptionFigures): void;
  expectDone(): void;
}

/** Two attempts each; a job that is waiting to be tried again holds its lane. */
export function createLaneModel(limits: { policy: Policy; concurrency: number; max: number }): LaneModel {
  const running = new Map<number, { job: Job; attempt: number; state: 'running' | 'retrying' }>();
  let waiting: Job[] = [];
  let startable: Job | undefined;
  let routed = 0;
  let handled = 0;
  let failed = 0;
  let dropped = 0;
  const isBusy = (key: string): boolean => [...running.values()].some(({ job }) => job.key === key);

  const enqueue = (job: Job): void => {
    if (limits.policy === 'latest-by-key') {
      const others = waiting.filter(({ key }) => key !== job.key);
      dropped += waiting.length - others.length;
      waiting = others;
    }
    if (waiting.length < limits.max) return void waiting.push(job);
    dropped++;
    if (limits.policy !== 'drop-oldest') return;
    waiting.shift();
    waiting.push(job);
  };

  return {
    emitting(job) {
      routed++;
      const free = !isBusy(job.key) && waiting.every(({ key }) => key !== job.key);
      if (free && running.size < limits.concurrency) startable = job;
      else enqueue(job);
    },
    started(number, attempt) {
      const known = running.get(number);
      if (known) {
        expect([known.state, attempt]).to.deep.equal(['retrying', known.attempt + 1]);
        running.set(number, { ...known, attempt, state: 'running' });
        return;
      }
      const job = startable?.number === number ? startable : waiting.find((one) => one.number === number);
      startable = undefined;
      expect(job, `event ${number} was started and should not be`).to.not.equal(undefined);
      const first = waiting.find(({ key }) => key === job!.key);
      if (first) expect(first.number, 'a later event of the key was started first').to.equal(number);
      expect(isBusy(job!.key), `two of key ${job!.key} ran at once`).to.equal(false);
      expect(running.size, 'more ran at once than allowed').to.be.lessThan(limits.concurrency);
      waiting = waiting.filter((one) => one !== job);
      running.set(number, { job: job!, attempt, state: 'running' });
    },
    finishing(number, ok) {
      const one = running.get(number)!;
      if (!ok && one.attempt === 1) {
        running.set(number, { ...one, state: 'retrying' });
        return;
      }
      running.delete(number);
      if (ok) handled++;
      else failed++;
    },
    check(figures) {
      expect(startable, 'an event that could start did not').to.equal(undefined);
      const idle = waiting.filter(({ key }) => !isBusy(key));
      if (running.size < limits.concurrency) expect(idle, 'events wait though they could run').to.deep.equal([]);
      expectBalanced(figures);
      const counts = { routed, handled, failed, dropped, running: running.size, queued: waiting.length };
      expect(figures).to.deep.include({ ...counts, cancelled: 0 });
    },
    expectDone() {
      expect([...running, ...waiting]).to.deep.equal([]);
    },
  };
}
