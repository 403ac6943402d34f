import { expect } from 'chai';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nearest, nearestScript } from '../../plugins/cli/nearest.ts';
import { root } from '../support/root.ts';

describe('nearest', () => {
  it('finds a file of any folder above, the nearest first', () => {
    expect(fileURLToPath(nearest('package.json'))).to.equal(join(root, 'package.json'));
    expect(nearestScript('examples/team/reader').href).to.equal(
      new URL('../../examples/team/reader.js', import.meta.url).href,
    );
  });

  it('ends where there is nothing above', () => {
    expect(() => nearest('no/such/file')).to.throw('there is no no/such/file above file:');
  });
});
