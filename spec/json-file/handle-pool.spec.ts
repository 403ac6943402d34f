import { expect } from 'chai';
import { TelltaleError } from '../../lib/plugin.ts';
import type { FileSystem, OpenFile } from '../../plugins/json-file/file-system.ts';
import { HandlePool } from '../../plugins/json-file/handle-pool.ts';
import { encodeHeader } from '../../plugins/json-file/header.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate } from '../support/turns.ts';
import type { Gate } from '../support/turns.ts';

const HEADER = encodeHeader({ first: 1, uid: 'uid', created: 0, storedAt: 0, removed: [] });

async function read(target: Buffer, position: number): Promise<number> {
  return HEADER.copy(target, 0, position);
}

describe('a pool of open files', () => {
  it('closes one that was opened again, also where an earlier opening of it fails only then', async () => {
    const [opening, closed]: [Gate<OpenFile>[], string[]] = [[], []];
    const open = (): Promise<OpenFile> => opening[opening.push(createGate<OpenFile>()) - 1]!.promise;
    const file = (name: string) => ({ read, close: async () => void closed.push(name) }) as unknown as OpenFile;
    const pool = new HandlePool({ open } as unknown as FileSystem, 1);
    const use = (path: string): Promise<string> => pool.use(path, 'uid', async () => path);
    const failed = rejectionOf(use('a'));
    const [other, again] = [use('b'), use('a')];
    opening[2]!.open(file('a'));
    expect(await again).to.equal('a');
    opening[0]!.fail(new TelltaleError('STORE_UNAVAILABLE', 'the spec'));
    expect((await failed).message).to.equal('the spec');
    opening[1]!.open(file('b'));
    expect(await other).to.equal('b');
    await pool.close();
    expect(closed).to.have.members(['a', 'b']);
  });
});
