import { resolve } from 'node:path';
import { expected, isTelltaleError, TelltaleError } from '../errors.ts';
import { admit } from '../event/admission.ts';
import { Turns } from '../turns.ts';
import { readText, replaceFile } from './small-file.ts';
import { mustBeNewest } from './target.ts';
import type { CheckpointTarget, RetryAnswer, SkippedEvent, TargetCheckpoint } from './target.ts';

/** What the handler of a consumer works on; its changes are kept when the handler has succeeded. */
export interface FileTransaction<State> {
  state: State;
}

/** A small projection in a file. */
export interface FileTarget<State> extends CheckpointTarget<FileTransaction<State>> {
  /** As it was committed last, each time a copy; in a handler without what it has changed so far. */
  read(): Promise<State>;
}

interface Content<State> {
  readonly checkpoints: Readonly<Record<string, Checkpoint>>;
  /** Events that were passed over: the key of the checkpoint, and where. */
  readonly skipped: readonly (readonly [key: string, position: number])[];
  readonly state: State;
}

type Checkpoint = Pick<TargetCheckpoint, 'position' | 'epoch'> & { readonly eventId?: string | undefined };

/** What is under way in each file, by its path: several targets of one file take turns. */
const turns = new Turns();

/**
 * A projection and its checkpoint in one JSON file, which is replaced as a whole: temporary file, sync, rename, sync of
 * the folder. For small states of plain data: each commit writes all of it. One process at a time. Throws
 * `INVALID_OPTION`; its functions reject with `TARGET_BROKEN` where the file is damaged or cannot be read or written,
 * and a commit with `PAYLOAD_*` where the state is not plain data.
 *
 * ```js
 * const totals = fileTarget('./totals.json', { sum: 0 })
 * bus.consume('totals', 'order.placed', ({ payload }, { tx }) => { tx.state.sum += payload.sum }, { checkpointIn: totals })
 * ```
 */
export function fileTarget<State>(path: string, initial: State): FileTarget<State> {
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw expected('INVALID_OPTION', 'the path of `fileTarget`', 'a path', path);
  if (initial === undefined)
    throw expected('INVALID_OPTION', 'the state that `fileTarget` begins with', 'plain data', initial);
  const file = resolve(path);
  const beginning = textOf(file, { checkpoints: {}, skipped: [], state: initial });
  const content = async (): Promise<Content<State>> => parse(file, (await readText(file)) ?? beginning);
  const commit = async (
    given: readonly TargetCheckpoint[],
    run: (tx: FileTransaction<State>) => unknown,
  ): Promise<void> => {
    const before = await content();
    for (const one of given) mustBeNewest(known(before.checkpoints, one.key), one);
    const tx = { state: before.state };
    await run(tx);
    await replaceFile(file, textOf(file, { ...moved(before, given), state: tx.state }));
  };
  const retry = async (event: SkippedEvent, run: (tx: FileTransaction<State>) => unknown): Promise<RetryAnswer> => {
    const before = await content();
    const skipped = before.skipped.filter(([key, position]) => key !== event.key || position !== event.position);
    const { position = -1 } = known(before.checkpoints, event.key) ?? {};
    if (skipped.length === before.skipped.length) return position < event.position ? 'ahead' : 'known';
    const tx = { state: before.state };
    await run(tx);
    return replaceFile(file, textOf(file, { ...before, skipped, state: tx.state }));
  };
  return {
    claim: (given) =>
      turns.take(file, async () => {
        const { position = given.position, eventId } = known((await content()).checkpoints, given.key) ?? {};
        const found = { position, ...(eventId !== undefined && { eventId }) };
        await commit([{ ...given, ...found }], () => undefined);
        return found;
      }),
    commit: (given, run) => turns.take(file, () => commit(given, run)),
    retry: (event, run) => turns.take(file, () => retry(event, run)),
    // Not in turn: the file is there as a whole at any time, and a handler that waited for its turn waited for itself.
    read: async () => (await content()).state,
  };
}

/** A consumer may be called `constructor`. */
function known(checkpoints: Content<unknown>['checkpoints'], key: string): Checkpoint | undefined {
  return Object.hasOwn(checkpoints, key) ? checkpoints[key] : undefined;
}

/** What is known when checkpoints have moved: no event is skipped above one of them. */
function moved(
  { checkpoints, skipped }: Content<unknown>,
  given: readonly TargetCheckpoint[],
): Omit<Content<unknown>, 'state'> {
  const changed = given.map(({ key, position, epoch, eventId }) => [key, { position, epoch, eventId }] as const);
  const left = skipped.filter(([key, at]) => !given.some((one) => one.key === key && one.position < at));
  const added = given.filter(({ isSkipped }) => isSkipped).map(({ key, position }) => [key, position] as const);
  return { checkpoints: { ...checkpoints, ...Object.fromEntries(changed) }, skipped: [...left, ...added] };
}

function textOf(file: string, { checkpoints, skipped, state }: Content<unknown>): string {
  try {
    if (state === undefined) throw new TelltaleError('PAYLOAD_NOT_PLAIN', 'it is undefined');
    return JSON.stringify({ checkpoints, skipped, state: admit(state, 'payload', Infinity).value });
  } catch (error) {
    if (!isTelltaleError(error)) throw error;
    const text = `the state for ${JSON.stringify(file)} must be plain data: ${error.message}`;
    throw new TelltaleError(error.code, text, { cause: error, details: { ...error.details, file } });
  }
}

function parse<State>(file: string, text: string): Content<State> {
  const damaged = (what: string, cause?: unknown): TelltaleError => {
    const message = `the target file ${JSON.stringify(file)} ${what}: bring it back, or delete it and begin anew`;
    return new TelltaleError('TARGET_BROKEN', message, { details: { file }, ...(cause !== undefined && { cause }) });
  };
  if (text.trim() === '') throw damaged('is empty');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged('holds no JSON', error);
  }
  const { checkpoints, skipped, state } = (value ?? {}) as Partial<Content<State>>;
  if (!isRecord(checkpoints) || state === undefined) throw damaged('was not written by a file target');
  // What an earlier telltale passed over would count as handled.
  if (skipped === undefined) throw damaged('was written by an earlier telltale');
  for (const [key, one] of Object.entries(checkpoints))
    if (!isRecord(one) || !isPosition(one['position']) || !Number.isFinite(one['epoch']) || !isText(one['eventId']))
      throw damaged(`has a checkpoint ${JSON.stringify(key)} that is none`);
  if (!Array.isArray(skipped) || !skipped.every(isSkip)) throw damaged('has a skipped event that is none');
  return { checkpoints, skipped, state };
}

function isRecord(value: unknown): value is Record<string, never> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSkip(one: unknown): boolean {
  return Array.isArray(one) && typeof one[0] === 'string' && isPosition(one[1]);
}

const isText = (value: unknown): boolean => value === undefined || typeof value === 'string';
const isPosition = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
