import { currentCause, mustNotBeCaptured } from './context.ts';
import type { Core } from './core.ts';
import { TelltaleError, toError } from './errors.ts';
import type { StoredEvent } from './event/event.ts';
import { presenterOf, viewOf } from './presenting.ts';
import { Account } from './replay/account.ts';
import { Captures } from './replay/captures.ts';
import { createRecipient, parseInto, type Into } from './replay/into.ts';
import { intoSelf, type SelfRecipient } from './replay/into-self.ts';
import { parseReplay, type ParsedReplay, type ReplayOptions } from './replay/options.ts';
import { preview, type ReplayPreview } from './replay/preview.ts';
import type { Recipient } from './replay/recipient.ts';
import { Replay, tell, type ReplayParts, type ReplayResult, type Started } from './replay/replay.ts';
import { Tally } from './replay/tally.ts';
import type { Store } from './store/port.ts';
import { contextPort } from './wiring.ts';

/** Left of the time a closing bus allows. */
const SAYING_MS = 20;

/** `bus.replay`. `isSelf` knows the bus it belongs to. */
export function createReplaying(core: Core, isSelf: (into: object) => boolean) {
  const running = new Set<Replay<unknown>>();
  const stop = async (): Promise<void> => {
    const { clock, closeTimeoutMs } = core.options;
    const giveUp = (): void => {
      for (const replay of running) replay.giveUp();
    };
    for (const replay of running) replay.cancel();
    // A handler that never ends: the rest of the time is for saying so.
    const cancel = clock.wait(Math.max(0, closeTimeoutMs - SAYING_MS), giveUp);
    await Promise.allSettled([...running].map(({ finished }) => finished));
    cancel();
  };
  let watching = false;
  return (options: ReplayOptions): Replay | Replay<ReplayPreview> => {
    const parsed = parseReplay(options);
    const into = parsed.dryRun ? undefined : parseInto(options.into, isSelf, parsed);
    core.mustAccept(currentCause());
    if (parsed.accept) mustNotBeCaptured('a replay with `accept: true`');
    if (into?.kind === 'bus') mustNotBeCaptured('a replay into another bus');
    const store = core.storeFor('a replay');
    const replay = into ? replayInto(core, store, parsed, into) : dryRun(core, store, parsed);
    // A bus that replays nothing closes without waiting for anybody.
    if (!watching) core.life.onShutDown(stop);
    watching = true;
    running.add(replay);
    replay.finished.catch((error: unknown) => sayFailed(core, replay.id, error)).finally(() => running.delete(replay));
    return replay;
  };
}

function dryRun(core: Core, store: Store, parsed: ParsedReplay): Replay<ReplayPreview> {
  return new Replay({
    ...commonParts(core, store, parsed),
    run: (scope, started) => preview(scope, parsed, started),
  });
}

function replayInto(core: Core, store: Store, parsed: ParsedReplay, into: Into): Replay {
  const common = commonParts(core, store, parsed);
  const present = presenterOf(core);
  const askedBy = currentCause()?.handling;
  const run = (scope: Parameters<typeof tell>[0], started: Started): Promise<ReplayResult> => {
    const captures = new Captures(core);
    const tally = new Tally(() => started.controls.stop());
    const recipient = openRecipient(core, common.id, into, { parsed, captures, tally, started, askedBy });
    // Another bus gets the events as they are stored here: its own upcasters run when they are read there.
    const show = into.kind === 'bus' ? (event: StoredEvent) => event : present;
    const { id } = common;
    return tell(scope, started, {
      id,
      parsed,
      store: viewOf(store, present),
      recipient,
      captures,
      tally,
      present: show,
    });
  };
  return new Replay({ ...common, run });
}

interface Telling {
  readonly parsed: ParsedReplay;
  readonly captures: Captures;
  readonly tally: Tally;
  readonly started: Started;
  /** The event in whose handler the replay was asked for. */
  readonly askedBy: string | undefined;
}

function openRecipient(core: Core, id: string, into: Into, telling: Telling): Recipient {
  const { parsed, captures, started, tally: desk } = telling;
  const { clock } = core.options;
  let self: SelfRecipient | undefined;
  const retelling = new Account(id, parsed.accept ? undefined : captures, desk, () => self?.ended());
  const parts = {
    parsed,
    clock,
    signal: started.signal,
    recipient: 'replay',
    context: contextPort(core),
    retelling,
    owner: core,
    desk,
  };
  if (into.kind !== 'self') return createRecipient(into, parts);
  return (self = intoSelf((type) => core.router.retold(type), parts, telling.askedBy));
}

function commonParts(core: Core, store: Store, parsed: ParsedReplay): Omit<ReplayParts<unknown>, 'run'> {
  const id = core.newId();
  const part = { owner: {}, key: 'replay', thing: 'a subscriber to the progress of a replay', about: { replay: id } };
  return {
    id,
    parsed,
    clock: core.options.clock,
    ready: endAtTheCall(core, store),
    streamFailed: (error) => core.reports.failed('$bus.stream.failed', part, error),
  };
}

// What is emitted behind the call is not told, even where it is stored before the replay begins.
function endAtTheCall(core: Core, store: Store): ReplayParts<unknown>['ready'] {
  const { writer } = core;
  const mark = writer?.mark();
  const asked = store.head();
  // Looked at when it is its turn.
  asked.catch(() => undefined);
  return async () => {
    // What cannot be stored now is not there to be told.
    await core.written();
    if (mark) writer?.unmark(mark);
    const { position } = await asked;
    return { store, head: mark?.end(position) ?? position };
  };
}

function sayFailed(core: Core, replay: string, error: unknown): void {
  const { message } = toError(error);
  const code = error instanceof TelltaleError ? error.code : toError(error).name;
  core.reports.say('$bus.replay.failed', code, { replay, code, message });
}
