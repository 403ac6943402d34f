import { posix } from 'node:path';
import { COMPUTED, importsOf, readCode } from './source-text.ts';

/** Sources by path from the root: `lib/bus.ts` → its text. */
export type Sources = ReadonlyMap<string, string>;

/** One rule of the house: answers a line for each violation, none when it holds. */
export type Check = (sources: Sources) => readonly string[];

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly lazy: boolean;
  readonly typeOnly: boolean;
}

/** Imports point from a higher layer to a lower one. A key is a file, or the folder of a unit. */
const LAYERS: readonly (readonly string[])[] = [
  [
    'errors',
    'clock',
    'duration',
    'ids',
    'lifecycle',
    'context',
    'retry',
    'on-abort',
    'ends-within',
    'serial',
    'turns',
    'lazy',
    'parse-options',
  ].map((name) => `lib/${name}.ts`),
  ['lib/event'],
  ['lib/filter', 'lib/mailbox', 'lib/invoke', 'lib/rx'],
  ['lib/store'],
  [
    ['lib/intake', 'lib/router', 'lib/ask', 'lib/correlation', 'lib/history', 'lib/replay', 'lib/retention'],
    ['lib/delivery', 'lib/effect', 'lib/schedule', 'lib/actor', 'lib/link'],
    ['lib/privacy', 'lib/observe', 'lib/letters', 'lib/schemas', 'lib/sql', 'lib/copy'],
  ].flat(),
  [
    'bus',
    'options',
    'api',
    'acting',
    'acting-api',
    'actor-port',
    'asking',
    'asking-api',
    'batching',
    'carrier',
    'connecting',
    'consuming',
    'consuming-api',
    'core',
    'durable-actors',
    'effecting',
    'folding',
    'following',
    'handler-api',
    'joining',
    'linking',
    'listening',
    'on-end',
    'pipelines',
    'presenting',
    'publishing',
    'reading',
    'reading-api',
    'replaying',
    'retaining',
    'receipts',
    'recording',
    'redelivering',
    'registering',
    'schedule-api',
    'scheduling',
    'scoping',
    'shutdown',
    'sinking',
    'typed-options',
    'undelivered',
    'wiring',
  ].map((name) => `lib/${name}.ts`),
  ['lib/index.ts', 'lib/plugin.ts', 'lib/testing.ts'],
  ['plugins'],
  ['plugins/open.ts', 'plugins/cli'],
];

/** Layers whose files may import each other. */
const SIDEWAYS: ReadonlySet<number> = new Set([0, 5, 8]);

/** The bus brings these two stores along, so two barrels reach up to them. Nothing else does. */
const BUNDLED_STORES: ReadonlySet<string> = new Set(['plugins/memory/index.ts', 'plugins/json-file/index.ts']);
const BRINGS_STORES: ReadonlySet<string> = new Set(['lib/index.ts', 'lib/testing.ts']);

/** The demo command shows the team of the examples, so that there is one such team. */
const TEAM = /^examples\/team\//;

/** Where each npm package may be imported. A package without a place may be imported nowhere. */
const PLACES: Readonly<Record<string, RegExp>> = {
  rxjs: /^lib\/(?:rx|router|replay|link)\//,
  'p-queue': /^lib\/(?:retention|delivery|store)\//,
  eventemitter3: /^lib\/(?:lifecycle\.ts|store\/|bus\.ts)/,
  zod: /^lib\/options\.ts$|^lib\/event\/json-schema\.ts$|^plugins\/[^/]+\/options\.ts$/,
  lowdb: /^plugins\/json-file\//,
  croner: /^lib\/retention\//,
  libsql: /^plugins\/sqlite\//,
  'better-sqlite3': /^plugins\/sqlite\//,
  pg: /^plugins\/postgres\//,
  commander: /^plugins\/cli\//,
};

/** Where only types of these packages are named. */
const TYPE_PLACES: Readonly<Record<string, RegExp>> = {
  rxjs: /^lib\/(?:api|listening)\.ts$/,
  zod: /^lib\/parse-options\.ts$/,
};

const MAX_LINES = 400;
/** The files that grow when nobody watches. */
const COORDINATORS: Readonly<Record<string, number>> = {
  'bus.ts': 250,
  'core.ts': 320,
  'router.ts': 250,
  'abstract-store.ts': 350,
};

/** The package's own name leads through its doors. */
const SELF: Readonly<Record<string, string>> = {
  telltale: 'lib/index.ts',
  'telltale/plugin': 'lib/plugin.ts',
  'telltale/testing': 'lib/testing.ts',
  'telltale/contract': 'plugins/contract/index.ts',
};

export const everyFileHasALayer: Check = (sources) =>
  [...sources.keys()].filter((file) => layerOf(file) === undefined).map((file) => `${file} belongs to no layer`);

export const importsPointDown: Check = (sources) =>
  edgesOf(sources)
    .filter(({ to }) => isSource(to))
    .filter(({ from, to }) => unitOf(from) !== unitOf(to) && !pointsDown(from, to) && !isBundledStore(from, to))
    .map(({ from, to }) => `${from} (layer ${layerOf(from)}) imports ${to} (layer ${layerOf(to)})`);

/** Plugins come in through `lib/plugin.ts` and know nothing of each other; layer 8 loads them when it needs them. */
export const pluginsUseTheDoor: Check = (sources) =>
  edgesOf(sources).flatMap((edge) => {
    const { from, to, lazy } = edge;
    const show = (what: string): string[] => [`${from} ${what} ${to}`];
    if (!from.startsWith('plugins/') || unitOf(from) === unitOf(to)) return [];
    const outermost = layerOf(from) === 8;
    if (TEAM.test(to) && from.startsWith('plugins/cli/')) return [];
    if (to.startsWith('lib/')) {
      const doors = outermost ? ['lib/index.ts', 'lib/plugin.ts'] : ['lib/plugin.ts'];
      return doors.includes(to) ? [] : show('reaches past the door to');
    }
    if (!outermost) return show('must not import');
    if (!lazy) return show('must load lazily');
    return to.startsWith('plugins/') && layerOf(to) === 7 && !to.endsWith('/index.ts')
      ? show('reaches past the door to')
      : [];
  });

export const packagesHavePlaces: Check = (sources) =>
  [...sources].flatMap(([file, text]) =>
    importsOf(text).flatMap(({ specifier, typeOnly }) => {
      const name = packageOf(specifier);
      if (name === undefined || PLACES[name]?.test(file) === true) return [];
      return typeOnly && TYPE_PLACES[name]?.test(file) === true ? [] : [`${file} imports ${name}`];
    }),
  );

/** A specifier that is computed cannot be checked; only layer 8 opens plugins by name. */
export const importsCanBeRead: Check = (sources) =>
  [...sources]
    .filter(([file, text]) => layerOf(file) !== 8 && importsOf(text).some(({ specifier }) => specifier === COMPUTED))
    .map(([file]) => `${file} imports a computed path`);

export const nothingImportsInCycles: Check = (sources) => {
  const next = new Map<string, string[]>();
  for (const { from, to } of edgesOf(sources)) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) return void cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    if (done.has(file)) return;
    for (const to of next.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of sources.keys()) visit(file, []);
  return cycles;
};

/** A process that has a store and no bus starts in half the time. */
export const doorLoadsNoBus: Check = (sources) => {
  const next = new Map<string, string[]>();
  for (const { from, to, lazy, typeOnly } of edgesOf(sources))
    if (!lazy && !typeOnly) next.set(from, [...(next.get(from) ?? []), to]);
  const reached = new Map<string, string>([['lib/plugin.ts', 'lib/plugin.ts']]);
  for (const [file, path] of reached)
    for (const to of next.get(file) ?? []) if (!reached.has(to)) reached.set(to, `${path} -> ${to}`);
  const path = reached.get('lib/bus.ts');
  return path === undefined ? [] : [path];
};

export const filesStayShort: Check = (sources) =>
  [...sources].flatMap(([file, text]) => {
    const lines = text.replace(/\n$/, '').split('\n').length;
    const limit = COORDINATORS[posix.basename(file)] ?? MAX_LINES;
    return lines > limit ? [`${file} has ${lines} lines of ${limit}`] : [];
  });

/** No `any`, and no check switched off; a lint rule may be, where the line says why behind ` -- `. */
export const typesStayKnown: Check = (sources) =>
  [...sources].flatMap(([file, text]) => {
    const lines = readCode(text).bare.split('\n');
    const used = lines.flatMap((line, at) =>
      /(?:[:<|&,([=]|\bas|\bextends|=>)\s*any\b(?!\s*[:(.])/.test(line) ? [`${file}:${at + 1} says any`] : [],
    );
    const silenced = [...text.matchAll(/@ts-(?:ignore|nocheck|expect-error)|(?:oxlint|eslint)-disable(?!.* -- \w)/g)];
    return [...used, ...silenced.map((match) => `${file} switches a check off: ${match[0]}`)];
  });

function layerOf(file: string): number | undefined {
  const unit = unitOf(file);
  const layer = LAYERS.findIndex((keys) => keys.includes(unit));
  if (layer !== -1) return layer;
  return /^plugins\/[^/]+$/.test(unit) && !unit.endsWith('.ts') ? 7 : undefined;
}

// A file directly in lib/ or plugins/ stands for itself, every other for its folder.
function unitOf(file: string): string {
  return file.split('/').slice(0, 2).join('/');
}

function pointsDown(from: string, to: string): boolean {
  const [above, below] = [layerOf(from), layerOf(to)];
  if (above === undefined || below === undefined) return true;
  return below < above || (below === above && SIDEWAYS.has(above));
}

function isBundledStore(from: string, to: string): boolean {
  return BRINGS_STORES.has(from) && BUNDLED_STORES.has(to);
}

function isSource(file: string): boolean {
  return file.startsWith('lib/') || file.startsWith('plugins/');
}

function edgesOf(sources: Sources): readonly Edge[] {
  return [...sources].flatMap(([from, text]) =>
    importsOf(text).flatMap(({ specifier, lazy, typeOnly }) => {
      const to = targetOf(from, specifier);
      return to === undefined ? [] : [{ from, to, lazy, typeOnly }];
    }),
  );
}

function targetOf(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(from), specifier);
  const plugin = /^telltale\/plugins\/(.+)$/.exec(specifier);
  return plugin ? `plugins/${plugin[1]}/index.ts` : SELF[specifier];
}

function packageOf(specifier: string): string | undefined {
  if (/^(?:\.|node:|telltale(?:\/|$))/.test(specifier) || specifier === COMPUTED) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
