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

  async clear(): Promise<void> {
    for (const specimen of this.#specimens) await specimen.drop();
  }
}
