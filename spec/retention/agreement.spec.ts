import { memory } from '../../plugins/memory/index.ts';
import { storeOn } from '../json-file/log-on-disk.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { expectAgreement } from './agree.ts';

const RUNS = Number(process.env['TELLTALE_RETENTION_RUNS'] ?? 1_000);

describe('retention: preview, enforce and a plain model agree', function () {
  this.timeout(240_000);

  it(`on ${RUNS} random rule sets and logs in memory`, () => expectAgreement(() => memory(), RUNS));

  it(`on ${RUNS} random rule sets and logs in json-file`, () =>
    expectAgreement(() => storeOn(new MemoryDisk(), { segmentEvents: 16, durability: 'os', compress: false }), RUNS));
});
