import type { TelltaleEvent } from '../event/event.ts';
import type { Filter } from './language.ts';
import { parseFilter, type Condition } from './parse.ts';

/** Whether an event satisfies a filter. */
export type EventTest = (event: TelltaleEvent) => boolean;

/**
 * Turns a filter into a function, once; asking it costs no parsing. Later changes of the filter object have no
 * effect. Throws `INVALID_FILTER`, `INVALID_PATH`, `INVALID_PATTERN`, `INVALID_TIME`.
 */
export function compileFilter(where: Filter): EventTest {
  return compile(parseFilter(where));
}

function compile(condition: Condition): EventTest {
  if (condition.kind === 'field') {
    const { field, test } = condition;
    return (event) => test(field.read(event));
  }
  if (condition.kind === 'not') {
    const test = compile(condition.condition);
    return (event) => !test(event);
  }
  const tests = condition.conditions.map(compile);
  if (condition.kind === 'all') return (event) => tests.every((test) => test(event));
  return (event) => tests.some((test) => test(event));
}
