import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { randomSource } from '../json-file/random.ts';

const WRITER = join(import.meta.dirname, 'kill-writer.js');

export interface KillReport {
  readonly kills: number;
  readonly acknowledged: number;
  /** Acknowledged, but not in its place afterwards. */
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  /** Batches of which only a part is there. */
  readonly split: readonly string[];
  readonly tornTails: number;
  readonly failedStarts: readonly string[];
}

/**
 * Kills one writer after another over one folder, so that each recovers what the one before it left, and compares the
 * log with what was acknowledged. `torn`: each tears a record and dies by itself; otherwise it is killed at random.
 */
export async function killChain(kills: number, seed: number, torn: boolean): Promise<KillReport> {
  const folder = await mkdtemp(join(tmpdir(), 'telltale-kill-'));
  const random = randomSource(seed);
  const acknowledged = new Map<string, number>();
  const failedStarts: string[] = [];
  try {
    for (let i = 0; i < kills; i++) {
      const lines = 1 + Math.floor(random() * 12);
      const answer = await killOne(
        [folder, String(seed * 100_000 + i), torn ? String(1 + (i % 7)) : '0'],
        torn ? Infinity : lines,
      );
      if (!answer.lines[0]?.startsWith('open ')) failedStarts.push(answer.errors);
      for (const line of answer.lines.slice(1)) acknowledged.set(line.split(' ')[0]!, Number(line.split(' ')[1]));
    }
    return { kills, failedStarts, ...(await compare(folder, acknowledged)) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function killOne(args: readonly string[], after: number): Promise<{ lines: string[]; errors: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [WRITER, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [text, errors] = ['', ''];
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.split('\n').length > after) child.kill('SIGKILL');
    });
    // A line is only complete with its newline: the last piece is what the kill left of one, or nothing.
    child.on('close', () => resolve({ lines: text.split('\n').slice(0, -1), errors }));
  });
}

async function compare(
  folder: string,
  acknowledged: ReadonlyMap<string, number>,
): Promise<Omit<KillReport, 'kills' | 'failedStarts'>> {
  const store = jsonFile(folder);
  await store.open();
  const found = new Map<string, number>();
  const doubled: string[] = [];
  for await (const { id, position } of store.read()) {
    if (found.has(id)) doubled.push(id);
    found.set(id, position);
  }
  await store.close();
  const lost = [...acknowledged].filter(([id, position]) => found.get(id) !== position).map(([id]) => id);
  const tornTails = (await readdir(folder)).filter((name) => name.endsWith('.quarantine')).length;
  return { acknowledged: acknowledged.size, lost, doubled, split: splitBatches(found), tornTails };
}

/** Ids end in the number within their batch; a batch that is there in part has no first, or a gap. */
function splitBatches(found: ReadonlyMap<string, number>): string[] {
  const split: string[] = [];
  for (const [id, position] of found) {
    const [, batch, number] = /^(.*)-(\d+)$/.exec(id)!;
    if (number !== '0' && found.get(`${batch}-${Number(number) - 1}`) !== position - 1) split.push(id);
  }
  return split;
}
