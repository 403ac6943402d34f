import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { memory } from '../../plugins/memory/index.ts';
import { expectAgreement } from '../retention/agree.ts';
import { quickFolder } from '../support/quick-folder.ts';

const SCALE = Number(process.env['TORTURE'] ?? 1);
const times = (count: number): number => Math.max(1, Math.round(count * SCALE));

describe('retention: torture', () => {
  const folder = mkdtempSync(join(quickFolder(), 'telltale-retention-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('removes what the preview and a plain model say, on 20,000 rule sets and logs in memory', () =>
    expectAgreement(() => memory(), times(20_000)));

  it('removes what the preview and a plain model say, on 2,000 rule sets and logs in real files', () =>
    expectAgreement(
      () => jsonFile(mkdtempSync(join(folder, 'log-')), { segmentEvents: 500, durability: 'os' }),
      times(2_000),
    ));
});
