import type { CloseReport } from './api.ts';
import type { Core } from './core.ts';
import { TelltaleError } from './errors.ts';

/** Resolves when `core` is settled, or after `timeoutMs`; answers whether it is. */
export async function untilSettled(core: Core, timeoutMs: number): Promise<boolean> {
  if (core.isSettled) return true;
  return new Promise((resolve) => {
    const end = (settled: boolean): void => {
      stopTimer();
      stopListening();
      resolve(settled);
    };
    const stopTimer = core.options.clock.after(timeoutMs, () => end(false));
    const stopListening = core.onRest(() => {
      if (core.isSettled) end(true);
    });
  });
}

/** Everything accepted is stored when it resolves, the letters about it included; rejects with what is not. */
export async function flushStore({ writer }: Core): Promise<void> {
  await writer?.flush();
  // A letter names the position of its event, so it is written behind it.
  await writer?.flush();
}

/**
 * Closes in phases, each within the time allowed: refuse events from outside; let pipelines give out what they hold
 * and running handlers finish and emit; cut what is still queued and keep it as dead letters; store what was
 * accepted; end observables and iterators; close the store. All errors are reported together.
 */
export async function shutDown(core: Core, completePipelines: () => void): Promise<CloseReport> {
  const { closeTimeoutMs, store } = core.options;
  completePipelines();
  core.accept('handlers');
  const settled = await untilSettled(core, closeTimeoutMs);
  const { cut, stillRunning } = settled ? { cut: 0, stillRunning: 0 } : cutQueues(core);
  core.accept('none');
  core.letters.close();
  core.reports.close();
  const errors: unknown[] = [];
  const unstored = await storeRest(core, errors);
  core.endStreams();
  for (const subscription of core.router.subscriptions) subscription.remove();
  await store?.close().catch((error: unknown) => errors.push(error));
  if (errors.length === 0) return { cut, stillRunning, unstored };
  throw new TelltaleError('STORE_FAILED', closeText(errors, unstored), {
    cause: errors.length === 1 ? errors[0] : new AggregateError(errors),
  });
}

function cutQueues(core: Core): { readonly cut: number; readonly stillRunning: number } {
  let cut = 0;
  let stillRunning = 0;
  for (const subscription of core.router.subscriptions) {
    stillRunning += subscription.counts.running;
    const { pattern } = subscription.options;
    const error = new TelltaleError('BUS_CLOSED', `the bus was closed while the event waited for \`${pattern}\``);
    for (const envelope of subscription.remove()) {
      cut++;
      if (!envelope.transient) core.letters.open(envelope, { reason: 'cut', error, recipient: pattern });
    }
  }
  return { cut, stillRunning };
}

async function storeRest(core: Core, errors: unknown[]): Promise<number> {
  const { writer } = core;
  if (!writer) return 0;
  const { clock, closeTimeoutMs } = core.options;
  let stop: (() => void) | undefined;
  const timeout = new Promise<never>((_, reject) => {
    const text = `the store did not take what was accepted within ${closeTimeoutMs} ms`;
    stop = clock.after(closeTimeoutMs, () => reject(new TelltaleError('TIMEOUT', text)));
  });
  try {
    await Promise.race([flushStore(core), timeout]);
    return 0;
  } catch (error) {
    errors.push(error);
    return writer.abandon(
      new TelltaleError('STORE_CLOSED', 'the bus was closed before the event was stored', { cause: error }),
    );
  } finally {
    stop?.();
  }
}

function closeText(errors: readonly unknown[], unstored: number): string {
  const reasons = errors.map((error) => (error instanceof Error ? error.message : String(error)));
  const lost = unstored > 0 ? `${unstored} accepted events are not stored; ` : '';
  return `the bus closed with errors: ${lost}${reasons.join('; ')}`;
}
