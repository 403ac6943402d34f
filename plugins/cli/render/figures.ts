const GROUPS = /\B(?=(\d{3})+$)/g;

/** `12,345`, the same in every locale. */
export function integer(value: number): string {
  return String(Math.round(value)).replace(GROUPS, ',');
}

/** `1 file`, `2 files`. */
export function counted(value: number, noun: string, plural = `${noun}s`): string {
  return `${integer(value)} ${value === 1 ? noun : plural}`;
}

/** `3 ms`, `0.4 ms`, `120 ms`, `2.5 s`, `3 min 05 s`, `2 h 10 min`, `12 d 4 h`. */
export function milliseconds(value: number): string {
  const ms = Math.abs(value);
  const sign = value < 0 ? '-' : '';
  if (ms < 10) return `${sign}${ms.toFixed(Number.isInteger(ms) ? 0 : 1)} ms`;
  if (ms < 999.5) return `${sign}${Math.round(ms)} ms`;
  if (ms < 59_950) return `${sign}${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3_600)];
  if (hours === 0) return `${sign}${minutes} min ${two(seconds % 60)} s`;
  if (hours < 48) return `${sign}${hours} h ${two(minutes % 60)} min`;
  return `${sign}${integer(Math.floor(hours / 24))} d ${hours % 24} h`;
}

/** `512 B`, `1.5 kB`, `20 MB`. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let amount = value;
  while (amount >= 999.5 && unit < units.length - 1) {
    amount /= 1_000;
    unit++;
  }
  return `${unit > 0 && amount < 9.95 ? amount.toFixed(1) : Math.round(amount)} ${units[unit]}`;
}

/** `2026-01-31 12:00:00`, in UTC. */
export function moment(epochMs: number): string {
  const date = new Date(epochMs);
  return Number.isNaN(date.getTime()) ? 'no time' : date.toISOString().slice(0, 19).replace('T', ' ');
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
