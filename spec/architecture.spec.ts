import { expect } from 'chai';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as architecture from './support/architecture.ts';
import type { Check, Sources } from './support/architecture.ts';
import { root } from './support/root.ts';

function readSources(): Sources {
  const files = ['lib', 'plugins'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => `${folder}/${file.replaceAll('\\', '/')}`),
  );
  return new Map(files.toSorted().map((file) => [file, readFileSync(join(root, file), 'utf8')]));
}

interface Rule {
  readonly title: string;
  readonly check: Check;
  /** Each pair of file and text breaks the rule by itself. */
  readonly broken: Readonly<Record<string, string>>;
  /** Each keeps the rule although it looks like the broken ones. */
  readonly kept?: Readonly<Record<string, string>>;
}

const lines = (count: number): string => 'x;\n'.repeat(count);

const rules: readonly Rule[] = [
  {
    title: 'gives every file a layer',
    check: architecture.everyFileHasALayer,
    broken: { 'lib/helper.ts': '', 'lib/utils/array.ts': '', 'plugins/helper.ts': '' },
    kept: { 'lib/duration.ts': '', 'lib/event/path.ts': '', 'plugins/redis/client.ts': '', 'plugins/open.ts': '' },
  },
  {
    title: 'lets imports point down only, never sideways',
    check: architecture.importsPointDown,
    broken: {
      'lib/event/event.ts': `import { Bus } from '../bus.ts';`,
      'lib/filter/compile.ts': `import type { Lane } from '../mailbox/lane.ts';`,
      'lib/history/query.ts': `export { tree } from '../correlation/tree.ts';`,
      'lib/clock.ts': `const { id } = await import('./event/identity.ts');`,
      'lib/store/port.ts': `let x: import('../router/router.ts').Router;`,
      'lib/link/link.ts': `new Worker(new URL('../actor/worker.ts', import.meta.url));`,
      'lib/bus.ts': `import { memory } from '../plugins/memory/index.ts';`,
      'lib/index.ts': `export { redis } from '../plugins/redis/index.ts';`,
      'lib/plugin.ts': `export { memory } from '../plugins/memory/index.ts';`,
      'lib/testing.ts': `import { createBus } from 'telltale';`,
    },
    kept: {
      'lib/ids.ts': `import { systemClock } from './clock.ts';`,
      'lib/bus.ts': `import {\n  parse,\n} from './options.ts';\nimport { Router } from './router/router.ts';`,
      'lib/index.ts': `export { memory } from '../plugins/memory/index.ts';`,
      'lib/testing.ts': `import { memory } from '../plugins/memory/index.ts';`,
      'lib/event/event.ts': `// import { Bus } from '../bus.ts';\nconst text = "import { Bus } from '../bus.ts'";`,
    },
  },
  {
    title: 'lets plugins in through their doors only',
    check: architecture.pluginsUseTheDoor,
    broken: {
      'plugins/redis/index.ts': `import { TelltaleError } from '../../lib/errors.ts';`,
      'plugins/sqlite/index.ts': `import { createBus } from 'telltale';`,
      'plugins/memory/index.ts': `import { testStore } from '../contract/index.ts';`,
      'plugins/json-file/index.ts': `const { memory } = await import('../memory/index.ts');`,
      'plugins/cli/main.ts': `import { Router } from '../../lib/router/router.ts';`,
      'plugins/cli/show.ts': `import { jsonFile } from '../json-file/index.ts';`,
      'plugins/cli/demo.ts': `await import('../json-file/segment.ts');`,
      'plugins/open.ts': `import { memory } from 'telltale/plugins/memory';`,
      'plugins/memory/demo.ts': `import { startTeam } from '../../examples/team/index.ts';`,
    },
    kept: {
      'plugins/redis/index.ts': `import { AbstractStore } from '../../lib/plugin.ts';\nimport { parse } from './options.ts';`,
      'plugins/cli/main.ts': `import { createBus } from '../../lib/index.ts';\nawait import('../json-file/index.ts');`,
      'plugins/open.ts': `await import('./memory/index.ts');`,
      'plugins/cli/demo.ts': `import { startTeam } from '../../examples/team/index.ts';`,
    },
  },
  {
    title: 'keeps npm packages in their places',
    check: architecture.packagesHavePlaces,
    broken: {
      'lib/bus.ts': `import { Subject } from 'rxjs';`,
      'lib/router/router.ts': `import type { z } from 'zod';`,
      'lib/mailbox/lane.ts': `import PQueue from 'p-queue';`,
      'lib/filter/compile.ts': `import { EventEmitter } from 'eventemitter3';`,
      'lib/store/log.ts': `import { Low } from 'lowdb';`,
      'plugins/memory/index.ts': `const { JSONFile } = await import('lowdb/node');`,
      'lib/event/event.ts': `import 'left-pad';`,
      'lib/api.ts': `import { Observable } from 'rxjs';`,
    },
    kept: {
      'lib/router/pipeline.ts': `import { map } from 'rxjs/operators';`,
      'plugins/json-file/documents.ts': `import { Low } from 'lowdb';\nimport { open } from 'node:fs/promises';`,
      'lib/bus.ts': `import { EventEmitter } from 'eventemitter3';`,
      'lib/api.ts': `import type { Observable } from 'rxjs';`,
    },
  },
  {
    title: 'imports only what can be read in the source',
    check: architecture.importsCanBeRead,
    broken: { 'lib/bus.ts': 'await import(name);', 'plugins/redis/index.ts': 'await import(`${name}/index.js`);' },
    kept: { 'plugins/open.ts': 'await import(name);', 'lib/bus.ts': `await import('./options.ts');` },
  },
  {
    title: 'has no import cycle',
    check: architecture.nothingImportsInCycles,
    broken: {
      'lib/clock.ts': `import { x } from './clock.ts';`,
    },
  },
  {
    title: 'loads no bus for who only has a store',
    check: architecture.doorLoadsNoBus,
    broken: { 'lib/plugin.ts': `export { createBus } from './bus.ts';` },
    kept: {
      'lib/plugin.ts': `import type { Bus } from './bus.ts';\nconst { createBus } = await import('./bus.ts');`,
    },
  },
  {
    title: 'keeps files short, coordinators shorter',
    check: architecture.filesStayShort,
    broken: {
      'lib/event/event.ts': lines(401),
      'lib/bus.ts': lines(251),
      'lib/core.ts': lines(321),
      'lib/router/router.ts': lines(251),
      'lib/store/abstract-store.ts': lines(351),
    },
    kept: { 'lib/event/event.ts': lines(400), 'lib/bus.ts': lines(250), 'lib/store/abstract-store.ts': lines(350) },
  },
  {
    title: 'knows every type and silences no check',
    check: architecture.typesStayKnown,
    broken: {
      'lib/bus.ts': 'function f(x: any): void {}',
      'lib/ids.ts': 'const y = x as any;',
      'lib/clock.ts': 'const list: Array<any> = [];',
      'lib/retry.ts': 'type T = Record<string, any>;',
      'lib/context.ts': '// @ts-expect-error: later\nf();',
      'lib/errors.ts': '// oxlint-disable-next-line no-console\nf();',
    },
    kept: {
      'lib/ids.ts': '// oxlint-disable-next-line no-control-regex -- these characters are what is looked for\nf();',
      'lib/bus.ts': `type E = 'any' | number; // any of them\nPromise.any([]);\nconst any = /: any/;`,
    },
  },
];

describe('architecture', () => {
  const sources = readSources();

  it('finds the sources', () => {
    expect([...sources.keys()]).to.include.members(['lib/errors.ts', 'lib/store/port.ts']);
  });

  for (const { title, check, broken, kept = {} } of rules) {
    it(title, () => expect(check(sources)).to.deep.equal([]));

    it(`${title}: a planted violation is found`, () => {
      const planted = Object.entries(broken);
      const missed = planted.filter((pair) => check(new Map([pair])).length === 0);
      expect(missed, 'planted but not found').to.deep.equal([]);
      // Beside the real sources too: nothing there hides it.
      const [file, text] = planted[0]!;
      expect(check(new Map([...sources, [file, text]]))).to.have.length.above(0);
      const accused = Object.entries(kept).flatMap((pair) => check(new Map([pair])));
      expect(accused, 'kept the rule but accused').to.deep.equal([]);
    });
  }

  it('finds a cycle through three files and a type import', () => {
    const cycle = new Map([
      ['lib/store/a.ts', `import { b } from './b.ts';`],
      ['lib/store/b.ts', `export type { C } from './c.ts';`],
      ['lib/store/c.ts', `import type { A } from './a.ts';`],
    ]);
    expect(architecture.nothingImportsInCycles(cycle)).to.deep.equal([
      'lib/store/a.ts -> lib/store/b.ts -> lib/store/c.ts -> lib/store/a.ts',
    ]);
  });
});
