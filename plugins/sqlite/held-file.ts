import { realpathSync, statSync } from 'node:fs';
import { TelltaleError } from '../../lib/plugin.ts';

/**
 * The file at a path, as it was found there, and its write-ahead log. Where one is deleted or another one is put in its
 * place, an open connection goes on with the old one and notices nothing: what it writes is gone when it closes.
 *
 * Looked at behind each commit and before it is acknowledged, at 10 µs, so that what was acknowledged was in the file
 * that the path led to. A file that is overwritten in place (`cp`) is the same to it.
 */
export class HeldFile {
  readonly path: string;
  readonly realPath: string;
  readonly #found = new Map<string, string>();

  constructor(path: string) {
    this.path = path;
    this.realPath = realpathSync(path);
    this.hold(path);
  }

  /** From now on this one has to stay as well. */
  hold(path: string): void {
    this.#found.set(path, identityOf(path));
  }

  /** What has become of it; `undefined` where it is as it was. */
  get change(): string | undefined {
    for (const [path, found] of this.#found) {
      const now = identityOf(path);
      if (now !== found) return `${path} was ${now === '' ? 'deleted or moved' : 'replaced'} while it was open`;
    }
    return undefined;
  }

  /** Throws `STORE_FAILED`. */
  mustBeThere(): void {
    const { change, path } = this;
    if (change === undefined) return;
    throw new TelltaleError('STORE_FAILED', `sqlite ${change}; what is written now is not in it`, {
      details: { path },
    });
  }
}

function identityOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? '' : `${found.dev}:${found.ino}`;
}
