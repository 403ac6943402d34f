import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRORS } from '../lib/errors.ts';
import { root } from './support/root.ts';

/** Rows of the table `| code | meaning |` in the section `## Errors`: code → meaning. */
function documentedErrors(readme: string): ReadonlyMap<string, string> {
  const section = /^## Errors\n([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(readme)?.[1];
  const table =
    section === undefined ? undefined : /^\| *code *\| *meaning *\|\n\|[-| :]+\|\n((?:\|.*\n?)*)/m.exec(section)?.[1];
  if (table === undefined) throw new Error('README.md has no table "| code | meaning |" in a section "## Errors"');
  const rows = [...table.matchAll(/^\| *`([^`]+)` *\| *(.*?) *\|$/gm)].map(
    ([, code, meaning]) => [code!, unescape(meaning!)] as const,
  );
  if (new Set(rows.map(([code]) => code)).size !== rows.length) throw new Error('README.md documents a code twice');
  return new Map(rows);
}

// Table cells cannot hold a bare pipe, and stars or angle brackets would be read as markup.
function unescape(cell: string): string {
  return cell.replace(/\\([|*_<>])/g, '$1');
}

function differences(
  documented: ReadonlyMap<string, string>,
  catalogue: Readonly<Record<string, string>>,
): readonly string[] {
  const undocumented = Object.keys(catalogue).filter((code) => !documented.has(code));
  const unknown = [...documented.keys()].filter((code) => !Object.hasOwn(catalogue, code));
  const changed = [...documented].filter(
    ([code, meaning]) => Object.hasOwn(catalogue, code) && catalogue[code] !== meaning,
  );
  return [
    ...undocumented.map((code) => `missing in README.md: | \`${code}\` | ${catalogue[code]} |`),
    ...unknown.map((code) => `${code} is documented and does not exist`),
    ...changed.map(([code]) => `${code} has another meaning in README.md: expected ${catalogue[code]}`),
  ];
}

function readmeWith(rows: string): string {
  return `# X\n\n## Errors\n\nText.\n\n| code | meaning |\n|---|---|\n${rows}\n## Next\n\n| \`Z\` | other |\n`;
}

describe('errors', () => {
  it('are documented, each with its meaning, and none that does not exist', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    expect(differences(documentedErrors(readme), ERRORS).join('\n')).to.equal('');
  });

  describe('the comparison', () => {
    const catalogue = { A: 'one | two', B: 'three *' };
    const compare = (rows: string): readonly string[] => differences(documentedErrors(readmeWith(rows)), catalogue);

    it('accepts a table that agrees', () => {
      expect(compare('| `A` | one \\| two |\n| `B` | three * |\n')).to.deep.equal([]);
    });

    it('finds a code that is missing, one too many, one that means something else, and one given twice', () => {
      expect(compare('| `A` | one \\| two |\n')).to.have.length(1);
      expect(compare('| `A` | one \\| two |\n| `B` | three * |\n| `C` | x |\n')).to.have.length(1);
      expect(compare('| `A` | one |\n| `B` | three * |\n')).to.have.length(1);
      expect(() => compare('| `A` | one |\n| `A` | one |\n')).to.throw('twice');
    });

    it('refuses a README without the table', () => {
      expect(() => documentedErrors('# X\n')).to.throw('no table');
    });
  });
});
