interface Arrival {
  readonly position: number;
  readonly arrived: () => void;
  readonly failed: (error: unknown) => void;
}

/** Those who wait until a consumer has come to a position. */
export class Arrivals {
  readonly #waiting = new Set<Arrival>();

  get size(): number {
    return this.#waiting.size;
  }

  at(position: number): Promise<void> {
    return new Promise((arrived, failed) => this.#waiting.add({ position, arrived, failed }));
  }

  /** It has come so far; no further where it is over, or stuck because of an error. */
  look(position: number, isOver: boolean, error: Error | undefined): void {
    for (const one of this.#waiting) {
      if (one.position > position && !isOver && !error) continue;
      this.#waiting.delete(one);
      if (one.position > position && error) one.failed(error);
      else one.arrived();
    }
  }
}
