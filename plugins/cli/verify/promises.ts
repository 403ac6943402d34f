export type PromiseName = 'P1' | 'P2' | 'P3' | 'P4' | 'P5' | 'P6' | 'P7' | 'P8' | 'P9' | 'P10';

/** What a store promises, in a few words; the README has the whole. */
export const PROMISES: Readonly<Record<PromiseName, string>> = {
  P1: 'what is acknowledged is kept as named',
  P2: 'a retry is safe for ever',
  P3: 'a batch is all or nothing',
  P4: 'recovery keeps whole commits',
  P5: 'positions rise without a gap',
  P6: 'nothing after a sync error',
  P7: 'what delivery stands on',
  P8: 'sizes are told',
  P9: 'nobody hurts another',
  P10: 'what goes in comes out exactly',
};

/** What a chapter of the contract is about, where a test's name says nothing else. */
const CHAPTERS: Readonly<Record<string, PromiseName>> = {
  appending: 'P5',
  idempotency: 'P2',
  expectations: 'P2',
  reading: 'P5',
  removing: 'P5',
  sweeping: 'P5',
  takingOver: 'P5',
  documents: 'P7',
  leasing: 'P7',
  feeding: 'P7',
  lifecycle: 'P1',
  admitting: 'P10',
};

/** The first that fits. */
const NAMES: readonly (readonly [RegExp, PromiseName])[] = [
  [/^(?:fails a refused append alone|lets no reader change|keeps a snapshot and hands out)/, 'P9'],
  [/^(?:stores nothing of a batch|stores a batch|answers a batch|refuses a batch)/, 'P3'],
  [/^(?:names its durability|goes on where it was|keeps documents and their etags|carries the epoch on)/, 'P1'],
  [/\b(?:ids? (?:after|of a removed)|remembers ids|a retry of an event|ids and revisions of what was removed)/, 'P2'],
  [
    /^(?:reads every field|keeps a snapshot of|rewrites payload|takes over events with|narrows by|applies the rest)/,
    'P10',
  ],
  [/^(?:finds by kinds|refuses malformed|refuses an event larger|finds removed events)/, 'P10'],
  [/^takes a document that names a position/, 'P4'],
  [/^tells how many events/, 'P8'],
  [/^(?:feeds every commit|leaves no gap|feeds events only when)/, 'P5'],
];

/** Which promise a test of the contract proves; `undefined` for a chapter that nobody knows. */
export function promiseOf(chapter: string, name: string): PromiseName | undefined {
  return NAMES.find(([pattern]) => pattern.test(name))?.[1] ?? CHAPTERS[chapter];
}
