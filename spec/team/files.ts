import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Files {
  /** What the team reads. */
  readonly root: string;
  /** An empty folder for its log. */
  readonly log: string;
  remove(): Promise<void>;
}

/** A folder of so many small files, of which the last cannot be read, and every ninth to ninth but two is flagged. */
export async function makeFiles(count: number): Promise<Files> {
  const home = await mkdtemp(join(tmpdir(), 'telltale-team-'));
  const [root, log] = [join(home, 'files'), join(home, 'log')];
  await mkdir(join(root, 'deep'), { recursive: true });
  await mkdir(log);
  for (let i = 0; i < count - 1; i++)
    await writeFile(
      join(root, i % 2 === 0 ? '' : 'deep', `f${i}.ts`),
      `export const a = ${i};\n${'// TODO\n'.repeat(i % 9)}`,
    );
  await writeFile(join(root, 'image.png'), Buffer.from([0x89, 0, 1, 2]));
  return { root, log, remove: () => rm(home, { recursive: true }) };
}
