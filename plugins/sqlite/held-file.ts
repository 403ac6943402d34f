import { statSync } from 'node:fs';
import { TelltaleError } from '../../lib/plugin.ts';

/**
 * The file at a path, as it was found there, its write-ahead log and the index of that. Where one is deleted or another
 * one is put in its place, an open connection goes on with the old one and notices nothing: what it writes is gone when
 * it closes, or goes over what another process has written.
 *
 * Looked at before each commit, so that as good as none is written then, and behind it before it is acknowledged, at
 * 10 µs, so that what was acknowledged was in the file that the path led to. A file that is overwritten in place (`cp`) is
 * the same to it.
 */
export class HeldFile {
  readonly path: string;
  readonly realPath: string;
  readonly #found = new Map<string, string>();

  constructor(path: string, realPath: string) {
    this.path = path;
    this.realPath = realPath;
    this.#found.set(path, identityOf(path));
  }

  /** From now on what is beside the file has to stay as well: SQLite leaves it there as long as a connection is open. */
  holdRest(): void {
    for (const suffix of ['-wal', '-shm']) {
      const path = this.realPath + suffix;
      const found = identityOf(path);
      // There is none beside a file in another mode than WAL.
      if (found !== '') this.#found.set(path, found);
    }
  }

  /** What has become of it; `undefined` where it is as it was. */
  get change(): string | undefined {
    for (const [path, found] of this.#found) {
      const now = identityOf(path);
      if (now === '' || now !== found)
        return `${path} was ${now === '' ? 'deleted or moved' : 'replaced'} while it was open`;
    }
    return undefined;
  }

  /** Whether the index of the write-ahead log is the one that this process has open. */
  get hasIndex(): boolean {
    const path = `${this.realPath}-shm`;
    return identityOf(path) === this.#found.get(path);
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
  // Some file systems number files above 2^53.
  const found = statSync(path, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? '' : `${found.dev}:${found.ino}`;
}
