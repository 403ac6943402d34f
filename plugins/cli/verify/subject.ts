import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TelltaleError, systemClock } from '../../../lib/plugin.ts';
import type { Clock, Store } from '../../../lib/plugin.ts';
import { isUrl, kindOf } from '../log-folder.ts';
import { Problem } from '../problem.ts';

/** How another process reaches the data of one store. */
export type Reach = { readonly url: string } | { readonly module: string; readonly name: string };

/** One store that is to be verified: its data, from nothing to the end. */
export interface Specimen {
  readonly reach: Reach;
  /** Another store over the same data. */
  create(clock: Clock): Promise<Store>;
  /** Removes the data. */
  drop(): Promise<void>;
}

/** What is verified: as many fresh, empty stores of one kind as are asked for. */
export interface Subject {
  /** To be shown. */
  readonly name: string;
  specimen(): Promise<Specimen>;
}

/** A store, wherever it comes from. */
export async function storeBy(reach: Reach, clock: Clock = systemClock): Promise<Store> {
  if ('url' in reach) return (await import('../../open.ts')).storeAt(reach.url);
  return (await loadModule(reach.module)).createStore({ name: reach.name, clock });
}

/**
 * The subject at a place: the url of a store, or a module that exports `createStore({ name, clock })`. Throws
 * `STORE_OCCUPIED` when the store of the url holds events and no scratch name is given.
 */
export async function subjectAt(place: string, scratch: string | undefined): Promise<Subject> {
  if (scratch !== undefined && !/^[A-Za-z]\w{0,19}$/.test(scratch))
    throw new Problem('--scratch is a name of at most 20 letters, digits and _');
  if (!(await isUrl(place))) return moduleSubject(place, scratch ?? DEFAULT);
  if (scratch === undefined) await mustBeFree(place);
  return urlSubject(place, scratch ?? DEFAULT);
}

const DEFAULT = 'verify';
let serial = 0;

function moduleSubject(file: string, scratch: string): Subject {
  return {
    name: file,
    async specimen() {
      const module = await loadModule(file);
      const name = `${scratch}_${process.pid}_${++serial}`;
      return {
        reach: { module: file, name },
        create: async (clock) => module.createStore({ name, clock }),
        drop: async () => void (await module.dropStore?.({ name })),
      };
    },
  };
}

interface StoreModule {
  readonly createStore: (context: { readonly name: string; readonly clock: Clock }) => Store | Promise<Store>;
  readonly dropStore?: (context: { readonly name: string }) => unknown;
}

async function loadModule(file: string): Promise<StoreModule> {
  let module: Partial<StoreModule>;
  if ((await kindOf(file)) !== 'file') throw new Problem(`${file} is no module; name a file, or the url of a store`);
  try {
    module = (await import(pathToFileURL(resolve(file)).href)) as Partial<StoreModule>;
  } catch (error) {
    throw new Problem(`${file} cannot be loaded: ${(error as Error).message}`);
  }
  if (typeof module.createStore === 'function') return module as StoreModule;
  throw new Problem(`${file} exports no createStore; such as: export const createStore = ({ name }) => myStore(name)`);
}

async function urlSubject(url: string, scratch: string): Promise<Subject> {
  const { storeAt, withoutPassword } = await import('../../open.ts');
  return {
    name: withoutPassword(url),
    async specimen() {
      const place = await besideOf(url, `${scratch}_${process.pid}_${++serial}`);
      return { reach: { url: place.url }, create: () => storeAt(place.url), drop: place.drop };
    },
  };
}

interface Place {
  readonly url: string;
  readonly drop: () => Promise<void>;
}

/** A place beside the one a url names, where nothing is yet. */
async function besideOf(url: string, name: string): Promise<Place> {
  const { pathOf, withPath } = await import('../../open.ts');
  if (/^memory:/i.test(url)) return { url, drop: async () => undefined };
  const path = pathOf(url, 'file') ?? pathOf(url, 'sqlite');
  if (path === undefined) return schemaBeside(url, name);
  const beside = `${path.replace(/\/+$/, '')}.${name}`;
  if ((await kindOf(beside)) !== 'missing') throw occupied(beside, 'there is something by that name');
  const drop = async (): Promise<void> => {
    for (const end of ['', '-wal', '-shm', '-journal']) await rm(beside + end, { recursive: true, force: true });
  };
  return { url: withPath(url, beside), drop };
}

async function schemaBeside(url: string, name: string): Promise<Place> {
  const { partsOf } = await import('../../open.ts');
  const { dropLog, headOfLog } = await import('../../postgres/index.ts');
  const { place, options } = partsOf(url);
  const { schema: given = 'telltale' } = options;
  const schema = `${(given as string).slice(0, 24)}_${name}`;
  // The same tables as the url beside it has: with its prefix.
  const here = { ...options, url: place, schema };
  if ((await headOfLog(here)) !== undefined) throw occupied(`schema ${schema}`, 'there is a log in it');
  const beside = new URL(url);
  beside.searchParams.set('schema', schema);
  return { url: beside.href, drop: () => dropLog(here) };
}

/** Throws `STORE_OCCUPIED` when the store holds events. Nothing is made to find out. */
async function mustBeFree(url: string): Promise<void> {
  const { partsOf, pathOf, storeAt, withoutPassword } = await import('../../open.ts');
  if (/^memory:/i.test(url)) return;
  const path = pathOf(url, 'file') ?? pathOf(url, 'sqlite');
  let head: number | undefined;
  if (path === undefined) {
    const { headOfLog } = await import('../../postgres/index.ts');
    const { place, options } = partsOf(url);
    head = await headOfLog({ url: place, ...options });
  } else if ((await kindOf(path)) !== 'missing') {
    const store = await storeAt(url, { readOnly: true });
    await store.open();
    head = (await store.head()).position;
    await store.close();
  }
  if (head === undefined || head === 0) return;
  throw occupied(withoutPassword(url), `it holds ${head} positions; --scratch <name> verifies one beside it`);
}

function occupied(what: string, why: string): TelltaleError {
  return new TelltaleError('STORE_OCCUPIED', `expected ${what} to be free for tests: ${why}`, {
    details: { store: what },
  });
}
