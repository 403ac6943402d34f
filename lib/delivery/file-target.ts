import { open, readFile, rename } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { mustBeNewest, type CheckpointTarget, type TargetCheckpoint } from './target.ts';

/** What the handler of a consumer works on; its changes are kept when the handler has succeeded. */
export interface FileTransaction<State> {
  state: State;
}

/** A small projection in a file. */
export interface FileTarget<State> extends CheckpointTarget<FileTransaction<State>> {
  /** As it was committed last, each time a copy. */
  read(): Promise<State>;
}

interface Content<State> {
  readonly checkpoints: Readonly<Record<string, Omit<TargetCheckpoint, 'key'>>>;
  readonly state: State;
}

/**
 * A projection and its checkpoint in one JSON file, which is replaced as a whole: temporary file, sync, rename, sync of
 * the folder. For small states: each commit writes all of it. One process at a time.
 *
 * ```js
 * const totals = fileTarget('./totals.json', { sum: 0 })
 * bus.consume('totals', 'order.placed', ({ payload }, { tx }) => { tx.state.sum += payload.sum }, { checkpointIn: totals })
 * ```
 */
export function fileTarget<State>(path: string, initial: State): FileTarget<State> {
  const file = resolve(path);
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(step: () => Promise<T>): Promise<T> => {
    const next = turn.then(step);
    turn = next.catch(() => undefined);
    return next;
  };
  const content = async (): Promise<Content<State>> =>
    (await readJson<Content<State>>(file)) ?? { checkpoints: {}, state: structuredClone(initial) };
  const commit = async (
    given: readonly TargetCheckpoint[],
    run: (tx: FileTransaction<State>) => unknown,
  ): Promise<void> => {
    const { checkpoints, state } = await content();
    for (const one of given) mustBeNewest(checkpoints[one.key], one);
    const tx = { state };
    await run(tx);
    const changed = given.map(({ key, position, epoch }) => [key, { position, epoch }] as const);
    const text = JSON.stringify({ checkpoints: { ...checkpoints, ...Object.fromEntries(changed) }, state: tx.state });
    await replace(file, text);
  };
  return {
    claim: (given) =>
      inTurn(async () => {
        const { position = given.position } = (await content()).checkpoints[given.key] ?? {};
        await commit([{ ...given, position }], () => undefined);
        return position;
      }),
    commit: (given, run) => inTurn(() => commit(given, run)),
    read: () => inTurn(async () => (await content()).state),
  };
}

async function readJson<T>(file: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function replace(file: string, text: string): Promise<void> {
  const temporary = `${file}.tmp`;
  await synced(temporary, 'w', text);
  await rename(temporary, file);
  try {
    await synced(dirname(file), 'r');
  } catch (error) {
    // Windows cannot open a folder, and needs not.
    if (process.platform !== 'win32' || (error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}

async function synced(path: string, flags: 'r' | 'w', text?: string): Promise<void> {
  const handle = await open(path, flags);
  try {
    if (text !== undefined) await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
