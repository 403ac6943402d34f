import { TelltaleError } from '../errors.ts';
import type { Window } from '../store/read/window.ts';

/** Where a query goes on. It carries the window, so that `to`, `latest` and `ago` stay what they were at the first page. */
export interface Cursor {
  readonly window: Window;
  /** The last event of the page before; by position, or how far the store has looked. */
  readonly position: number;
  /** Its time, where the order is by time. */
  readonly time: number | undefined;
}

const KEYS = ['after', 'through', 'timeFrom', 'timeAfter', 'timeTo'] as const satisfies readonly (keyof Window)[];

export function writeCursor({ window, position, time }: Cursor, fingerprint: string): string {
  const fields = [fingerprint, position, time ?? null, ...KEYS.map((key) => window[key] ?? null)];
  return Buffer.from(JSON.stringify(fields)).toString('base64url');
}

/** Throws `INVALID_CURSOR` for anything this query has not written. */
export function readCursor(text: string, fingerprint: string, byTime: boolean): Cursor {
  const fields = decode(text);
  if (fields[0] !== fingerprint) throw refused(text);
  const [position, time, ...bounds] = fields.slice(1).map((field) => field ?? undefined);
  const [after, through, ...times] = bounds;
  if (![position, after, through].every(isPosition) || !times.every(isTime)) throw refused(text);
  if (byTime ? typeof time !== 'number' : time !== undefined) throw refused(text);
  const known = KEYS.map((key, index) => [key, bounds[index]] as const).filter(([, bound]) => bound !== undefined);
  return {
    window: Object.fromEntries(known) as unknown as Window,
    position: position as number,
    time: time as number | undefined,
  };
}

function decode(text: string): readonly unknown[] {
  try {
    const fields: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    return Array.isArray(fields) ? fields : [];
  } catch {
    return [];
  }
}

function isPosition(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isTime(value: unknown): boolean {
  return value === undefined || typeof value === 'number';
}

function refused(text: string): TelltaleError {
  const shown = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
  return new TelltaleError('INVALID_CURSOR', `expected a cursor of this very query, got ${shown}`);
}
