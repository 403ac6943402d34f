import type { Answerer } from '../event/asking.ts';
import type { TelltaleEvent } from '../event/event.ts';

/** Whom a question may go to. */
export interface Candidates {
  /** The one to ask, those apart that have passed; undefined where nobody takes it. */
  pick(event: TelltaleEvent, passed?: Passed): Answerer | undefined;
  all(event: TelltaleEvent, passed?: Passed): readonly Answerer[];
}

/** Those that need not be asked: they did not take it, or it comes from them. */
export type Passed = ReadonlySet<Answerer>;

/** The answerers of one type: those with most free credit are asked, by turns. */
export class Answerers implements Candidates {
  readonly #members: Answerer[] = [];
  #turn = 0;

  get size(): number {
    return this.#members.length;
  }

  add(member: Answerer): void {
    this.#members.push(member);
  }

  remove(member: Answerer): void {
    const at = this.#members.indexOf(member);
    if (at >= 0) this.#members.splice(at, 1);
  }

  pick(event: TelltaleEvent, passed?: Passed): Answerer | undefined {
    const count = this.#members.length;
    let found: Answerer | undefined;
    let most = 0;
    for (let i = 0; i < count; i++) {
      const member = this.#members[(this.#turn + i) % count]!;
      if (passed?.has(member) || !member.accepts(event)) continue;
      const { credit } = member;
      if (found && credit <= most) continue;
      found = member;
      most = credit;
    }
    if (count > 1) this.#turn = (this.#turn + 1) % count;
    return found;
  }

  all(event: TelltaleEvent, passed?: Passed): readonly Answerer[] {
    return this.#members.filter((member) => !passed?.has(member) && member.accepts(event));
  }
}

/** One to ask by himself. */
export function alone(answerer: Answerer): Candidates {
  const pick = (event: TelltaleEvent, passed?: Passed): Answerer | undefined =>
    !passed?.has(answerer) && answerer.accepts(event) ? answerer : undefined;
  return { pick, all: (event, passed) => (pick(event, passed) ? [answerer] : []) };
}

/** Those here first, and then those behind `elsewhere`. */
export function besides(here: Candidates, elsewhere: Candidates): Candidates {
  return {
    pick: (event, passed) => here.pick(event, passed) ?? elsewhere.pick(event, passed),
    all: (event, passed) => [...here.all(event, passed), ...elsewhere.all(event, passed)],
  };
}
