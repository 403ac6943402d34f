import type { PromiseName } from './promises.ts';

/** What a test of several processes has shown to be broken. */
export class Broken extends Error {
  readonly promise: PromiseName;

  constructor(promise: PromiseName, message: string) {
    super(message);
    this.promise = promise;
  }
}
