import type { Clock } from '../../../lib/plugin.ts';
import type { Specimen, Subject } from './subject.ts';

/** Knows what is not dropped yet. */
export class Tidy implements Subject {
  readonly name: string;
  readonly #subject: Subject;
  readonly #specimens = new Set<Specimen>();

  constructor(subject: Subject) {
    this.name = subject.name;
    this.#subject = subject;
  }

  async specimen(): Promise<Specimen> {
    const specimen = await this.#subject.specimen();
    const tidy = {
      reach: specimen.reach,
      create: (clock: Clock) => specimen.create(clock),
      drop: async () => {
        this.#specimens.delete(tidy);
        await specimen.drop();
      },
    };
    this.#specimens.add(tidy);
    return tidy;
  }

  /** Drops all of them; answers why some could not be. */
  async clear(): Promise<readonly unknown[]> {
    const drops = await Promise.allSettled([...this.#specimens].map((specimen) => specimen.drop()));
    return drops.filter((drop) => drop.status === 'rejected').map(({ reason }) => reason as unknown);
  }
}
