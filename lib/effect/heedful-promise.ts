/** A Promise that knows whether anybody has ever waited for it. */
export class HeedfulPromise<T> extends Promise<T> {
  #isHeeded = false;

  // What follows from it is an ordinary one.
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  get isHeeded(): boolean {
    return this.#isHeeded;
  }

  /** Calls one of them when it has settled; does not count as waiting. */
  watch(ended: () => void, failed: (error: unknown) => void): void {
    void super.then(ended, failed);
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a Promise, and only takes note
  override then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#isHeeded = true;
    return super.then(fulfilled, rejected);
  }
}
