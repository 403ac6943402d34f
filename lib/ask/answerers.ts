import type { Answerer } from '../event/asking.ts';
import type { TelltaleEvent } from '../event/event.ts';

/** Whom a question may go to. */
export interface Candidates {
  /** The one to ask; undefined where nobody takes it. */
  pick(event: TelltaleEvent): Answerer | undefined;
  all(event: TelltaleEvent): readonly Answerer[];
}

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

  pick(event: TelltaleEvent): Answerer | undefined {
    const count = this.#members.length;
    let found: Answerer | undefined;
    let most = 0;
    for (let i = 0; i < count; i++) {
      const member = this.#members[(this.#turn + i) % count]!;
      if (!member.accepts(event)) continue;
      const { credit } = member;
      if (found && credit <= most) continue;
      found = member;
      most = credit;
    }
    if (count > 1) this.#turn = (this.#turn + 1) % count;
    return found;
  }

  all(event: TelltaleEvent): readonly Answerer[] {
    return this.#members.filter((member) => member.accepts(event));
  }
}

/** One to ask by himself. */
export function alone(answerer: Answerer): Candidates {
  const taken = (event: TelltaleEvent): Answerer | undefined => (answerer.accepts(event) ? answerer : undefined);
  return {
    pick: taken,
    all: (event) => (taken(event) ? [answerer] : []),
  };
}
