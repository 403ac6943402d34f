import eventemitter2 from 'eventemitter2';
import { Qlobber } from 'qlobber';
import { Subject, filter } from 'rxjs';
import { TopicTrie } from '../lib/event/topic-trie.ts';
import { createBus } from '../lib/index.ts';
import type { Benchmark } from './benchmark.ts';
import type { Comparison, Contender } from './measure.ts';

/** Types in use: few beside the patterns, as in a program. Each matches exactly one pattern. */
const TYPES = 100;

interface Route {
  readonly name: string;
  /** Listens to `pattern`; calls `heard` for each match. */
  add(pattern: string, heard: () => void): void;
  route(type: string): void;
  close?(): Promise<unknown>;
}

function contender(route: Route, patterns: number, label = route.name): Contender {
  let matches = 0;
  for (let n = 0; n < patterns; n++) route.add(`area${n}.*`, () => void matches++);
  const types = Array.from({ length: TYPES }, (_, n) => `area${Math.floor((n * patterns) / TYPES)}.event${n}`);
  return {
    name: label,
    before: () => void (matches = 0),
    run(count) {
      for (let n = 0; n < count; n++) route.route(types[n % TYPES]!);
    },
    done: () => matches,
    close: () => route.close?.(),
  };
}

function topicTrie(): Route {
  const trie = new TopicTrie<() => void>();
  return {
    name: 'telltale trie',
    add: (pattern, heard) => void trie.add(pattern, heard),
    route: (type) => {
      for (const heard of trie.match(type)) heard();
    },
  };
}

async function wholeBus(): Promise<Route> {
  const bus = await createBus({ source: 'benchmark', payload: 'trust' });
  return {
    name: 'telltale bus',
    add: (pattern, heard) => void bus.on(pattern, heard),
    route: (type) => void bus.emit(type, null),
    close: () => bus.close(),
  };
}

function qlobber(): Route {
  const matcher = new Qlobber<() => void>();
  return {
    name: 'qlobber',
    add: (pattern, heard) => void matcher.add(pattern, heard),
    route: (type) => {
      for (const heard of matcher.match(type)) heard();
    },
  };
}

function emitter2(): Route {
  const emitter = new eventemitter2.EventEmitter2({ wildcard: true, maxListeners: 0 });
  return {
    name: 'eventemitter2',
    add: (pattern, heard) => void emitter.on(pattern, heard),
    route: (type) => void emitter.emit(type),
  };
}

function rxjsFilters(): Route {
  const types$ = new Subject<string>();
  return {
    name: 'RxJS filter fan-out',
    add(pattern, heard) {
      const prefix = pattern.slice(0, -1);
      types$.pipe(filter((type) => type.startsWith(prefix))).subscribe(heard);
    },
    route: (type) => types$.next(type),
  };
}

function againstRivals(patterns: number): Comparison {
  const routes = [topicTrie(), qlobber(), emitter2(), rxjsFilters()];
  const many = patterns === 10_000;
  return {
    title: `route, ${patterns.toLocaleString('en')} patterns, 1 match`,
    operation: 'event',
    contenders: routes.map((route) => contender(route, patterns)),
    targets: many
      ? [
          { rival: 'qlobber', ratio: 20, later: true },
          { rival: 'RxJS filter fan-out', ratio: 10_000, later: true },
        ]
      : [],
  };
}

/** The cost at 10,000 patterns is at most 1.5 times the cost at 10. */
function flat(routes: readonly [many: Route, few: Route]): Comparison {
  const [many, few] = routes;
  return {
    title: `${many.name}: 10,000 patterns against 10`,
    operation: 'event',
    contenders: [contender(many, 10_000, '10,000 patterns'), contender(few, 10, '10 patterns')],
    targets: [{ rival: '10 patterns', ratio: 1 / 1.5 }],
  };
}

export const route: Benchmark = {
  comparisons: [
    () => againstRivals(10),
    () => againstRivals(10_000),
    () => flat([topicTrie(), topicTrie()]),
    async () => flat([await wholeBus(), await wholeBus()]),
  ],
};
