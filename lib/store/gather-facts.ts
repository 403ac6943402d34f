import { expected, isTelltaleError } from '../errors.ts';
import type { TelltaleError } from '../errors.ts';
import { compileFilter } from '../filter/compile.ts';
import { hintsOf } from '../filter/hints.ts';
import { behind } from './page-reader.ts';
import type { CommitFacts, QueryCondition } from './decide-commit.ts';
import type { Expectation, Head, KnownId, Page, PageQuery, PendingAppend } from './port.ts';

/** What of the log is looked up before a commit is decided. */
export interface LookUps {
  find(ids: readonly string[]): Promise<ReadonlyMap<string, KnownId>>;
  revision(entities: readonly string[]): Promise<ReadonlyMap<string, number>>;
  page(query: PageQuery): Promise<Page>;
}

type LookedUp = Pick<CommitFacts, 'known' | 'revisions' | 'conditions'>;

const NO_IDS: ReadonlyMap<string, KnownId> = new Map();
const NO_REVISIONS: ReadonlyMap<string, number> = new Map();
const NO_CONDITIONS: ReadonlyMap<PendingAppend, QueryCondition | TelltaleError> = new Map();

/** One look-up of each kind for a whole group commit, and none where nothing asks. */
export async function gatherFacts(appends: readonly PendingAppend[], head: Head, lookUps: LookUps): Promise<LookedUp> {
  const ids = new Set<string>();
  const entities = new Set<string>();
  const conditional: PendingAppend[] = [];
  for (const append of appends) {
    for (const { id, entity } of append.events) {
      if (!append.fresh) ids.add(id);
      if (entity !== undefined) entities.add(entity);
    }
    if (typeof append.expect === 'object') conditional.push(append);
  }
  return {
    known: ids.size === 0 ? NO_IDS : await lookUps.find([...ids]),
    revisions: entities.size === 0 ? NO_REVISIONS : await lookUps.revision([...entities]),
    conditions: conditional.length === 0 ? NO_CONDITIONS : await lookUpConditions(conditional, head, lookUps),
  };
}

async function lookUpConditions(
  appends: readonly PendingAppend[],
  head: Head,
  lookUps: LookUps,
): Promise<ReadonlyMap<PendingAppend, QueryCondition | TelltaleError>> {
  const conditions = new Map<PendingAppend, QueryCondition | TelltaleError>();
  for (const append of appends) conditions.set(append, await lookUpCondition(append.expect, head, lookUps));
  return conditions;
}

/** A filter that makes no sense, and one that nobody can tell of because an event is damaged, refuse their append alone. */
async function lookUpCondition(
  expect: Expectation | undefined,
  head: Head,
  lookUps: LookUps,
): Promise<QueryCondition | TelltaleError> {
  const { query, after } = expect as Extract<Expectation, object>;
  if (!(Number.isSafeInteger(after) && after >= 0))
    return expected('INVALID_OPTION', '`expect.after`', 'a position from 0', after);
  try {
    const matches = compileFilter(query);
    const hints = hintsOf(query);
    return { matches, found: await findFirst({ ...hints, where: query, ...range(after, head.position) }, lookUps) };
  } catch (error) {
    if (isTelltaleError(error) && (error.code.startsWith('INVALID_') || isOfOneEvent(error))) return error;
    throw error;
  }
}

/** Nothing was written, and the rest of the log is as it was. */
function isOfOneEvent({ code, details }: TelltaleError): boolean {
  return code === 'STORE_CORRUPT' && details['position'] !== undefined;
}

function range(after: number, through: number): Pick<PageQuery, 'after' | 'through' | 'descending' | 'limit'> {
  return { after, through, descending: false, limit: 1 };
}

async function findFirst(query: PageQuery, lookUps: LookUps): Promise<number> {
  if (query.after >= query.through) return 0;
  for (let left = query; ;) {
    const page = await lookUps.page(left);
    if (page.events.length > 0) return page.events[0]!.position;
    if (page.done) return 0;
    left = behind(left, page.looked);
  }
}
