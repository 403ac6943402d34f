import type { CloseReport } from './api.ts';
import type { Core } from './core.ts';
import { endsWithin } from './ends-within.ts';
import { TelltaleError, messageOf } from './errors.ts';
import type { Envelope } from './event/envelope.ts';
import type { RunningPipeline } from './pipelines.ts';
import type { Subscription } from './router/subscription.ts';
import { undelivered, type Place } from './undelivered.ts';
import { placeOf } from './wiring.ts';

/** Resolves when `core` is settled, or after `timeoutMs` where there is one; answers whether it is. */
export async function untilSettled(core: Core, timeoutMs?: number): Promise<boolean> {
  if (core.isSettled) return true;
  return new Promise((resolve) => {
    const end = (settled: boolean): void => {
      stopTimer?.();
      stopListening();
      resolve(settled);
    };
    const stopTimer = timeoutMs === undefined ? undefined : core.options.clock.wait(timeoutMs, () => end(false));
    const stopListening = core.life.onRest(() => {
      if (core.isSettled) end(true);
    });
  });
}

/** Everything accepted is stored when it resolves, the letters about it included; rejects with what is not. */
export async function flushStore({ writer, life: { alongside } }: Core): Promise<void> {
  await writer?.flush();
  // A letter names the position of its event, so it is written behind it.
  await writer?.flush();
  if (alongside.length > 0) await Promise.all(alongside.map((written) => written()));
}

/**
 * Closes in phases, each within the time allowed: refuse events from outside and let running handlers finish and
 * emit; let pipelines give out what they hold; cut what is still queued and keep it as dead letters; store and sync
 * what was accepted; end observables and iterators; close the store. All errors are reported together.
 */
export async function shutDown(core: Core, pipelines: Iterable<RunningPipeline>): Promise<CloseReport> {
  const { closeTimeoutMs, store } = core.options;
  core.life.accepting = 'handlers';
  const errors: unknown[] = [];
  // Their handlers have the time allowed, and then what was done until then is written down.
  if (core.life.has('shutDown'))
    await attempt(errors, core, 'the parts in the background did not stop', () => core.life.run('shutDown'), 2);
  let settled = (await untilSettled(core, closeTimeoutMs)) && (await endPipelines(core, [...pipelines]));
  if (settled && core.life.has('settled')) {
    await attempt(errors, core, 'the actors and workers did not stop', () => core.life.run('settled'));
    // Their last words have handlers of their own.
    settled = await untilSettled(core, closeTimeoutMs);
  }
  const { cut, running } = settled ? { cut: 0, running: 0 } : await cutQueues(core);
  const stillRunning = running + core.life.abandoned();
  core.life.accepting = 'none';
  core.letters.close();
  core.reports.close();
  await attempt(errors, core, 'the store did not take what was accepted', () => storeRest(core));
  if (core.life.has('stored'))
    await attempt(errors, core, 'what lives off the log did not end', () => core.life.run('stored'));
  core.writer?.abandon(new TelltaleError('STORE_CLOSED', 'the bus was closed before the event was stored'));
  core.life.endStreams();
  for (const subscription of core.router.subscriptions) subscription.remove();
  await attempt(errors, core, 'the store did not close', () => store?.close());
  const schedules = core.life.forgets();
  const report = { cut, stillRunning, unstored: core.writer?.lost ?? 0, ...(schedules > 0 && { schedules }) };
  if (errors.length === 0) return report;
  throw new TelltaleError('STORE_FAILED', closeText(errors, report.unstored), {
    cause: errors.length === 1 ? errors[0] : new AggregateError(errors),
    details: { ...report },
  });
}

// What a pipeline gives out has handlers of its own.
async function endPipelines(core: Core, pipelines: readonly RunningPipeline[]): Promise<boolean> {
  if (pipelines.length === 0) return true;
  const { clock, closeTimeoutMs } = core.options;
  for (const pipeline of pipelines) pipeline.complete();
  await endsWithin(clock, closeTimeoutMs, Promise.all(pipelines.map(({ ended }) => ended)));
  for (const pipeline of pipelines) pipeline.stop();
  return untilSettled(core, closeTimeoutMs);
}

async function cutQueues(core: Core): Promise<{ readonly cut: number; readonly running: number }> {
  // First, so that removing one subscription hands nothing over to the next.
  const undispatched = core.dispatcher.clear();
  const heard = undispatched.filter(({ event }) => core.router.targets(event.type).length > 0);
  const subscriptions = [...core.router.subscriptions];
  const stillRunning = subscriptions.reduce((sum, { counts }) => sum + counts.running, 0);
  const cut = subscriptions.map((subscription) => ({ subscription, queued: subscription.remove() }));
  const others = [...core.life.working].map((part) => part.cut());
  core.life.accepting = 'none';
  // What waits for its next attempt ends with its signal, and has a letter that tells what went wrong.
  const running = sum([stillRunning, ...others.map((part) => part.stillRunning)]);
  if (running > 0) await new Promise((resolve) => setImmediate(resolve));
  for (const { subscription, queued } of cut) openLetters(core, subscription, queued);
  for (const envelope of heard) cutOff(core, envelope, 'waited to be dispatched');
  return {
    cut: sum([heard.length, ...cut.map(({ queued }) => queued.length), ...others.map((part) => part.cut)]),
    running,
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

// In the order they were to be handled: it is the order in which letters are tried again.
function openLetters(core: Core, subscription: Subscription, queued: readonly Envelope[]): void {
  const place = placeOf(subscription);
  const name = `\`${place.recipient}\``;
  for (const envelope of subscription.disown()) cutOff(core, envelope, `was being handled by ${name}`, place);
  for (const envelope of queued) cutOff(core, envelope, `waited for ${name}`, place);
}

function cutOff(core: Core, envelope: Envelope, what: string, place?: Place): void {
  // They end with the streams.
  if (envelope.retelling || envelope.asking) return;
  const error = new TelltaleError('BUS_CLOSED', `the bus was closed while the event ${what}`);
  undelivered(core, envelope, { reason: 'cut', error, ...place });
}

async function storeRest(core: Core): Promise<void> {
  const { store } = core.options;
  await flushStore(core);
  if (store?.supports.operations.includes('sync') && store.health().status === 'open') await store.sync();
}

/** Runs a phase, or `phases` of them, each within the time allowed; adds what goes wrong to `errors`. */
async function attempt(
  errors: unknown[],
  core: Core,
  text: string,
  run: () => Promise<void> | undefined,
  phases = 1,
): Promise<void> {
  const ms = core.options.closeTimeoutMs * phases;
  try {
    if (await endsWithin(core.options.clock, ms, run())) return;
    errors.push(new TelltaleError('TIMEOUT', `${text} within ${ms} ms`));
  } catch (error) {
    errors.push(error);
  }
}

function closeText(errors: readonly unknown[], unstored: number): string {
  const reasons = errors.map((error) => messageOf(error));
  const lost = unstored > 0 ? `${unstored} accepted events are not stored; ` : '';
  return `the bus closed with errors: ${lost}${reasons.join('; ')}`;
}
