import type { Core } from './core.ts';
import { TelltaleError } from './errors.ts';
import { presenterOf, viewOf } from './presenting.ts';
import { fold, parseFold, type FoldOptions } from './replay/fold.ts';

/** `bus.fold`. Sees what was emitted before it, and payloads in the current version of their schema. */
export function createFolding(core: Core) {
  const { clock, store } = core.options;
  const view = store && viewOf(store, presenterOf(core));
  return async (initial: unknown, reducer: unknown, options?: FoldOptions): Promise<unknown> => {
    const parsed = parseFold(initial, reducer, options);
    core.mustAnswer();
    if (!view) throw new TelltaleError('STORE_REQUIRED', '`fold` needs a store, and this bus has none');
    await core.written();
    return fold(view, parsed, clock);
  };
}
