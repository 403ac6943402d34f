import { Fifo } from '../mailbox/fifo.ts';

/** Something that was taken from the log and is not done with until it says so. */
export interface Mark {
  /** Of its first event. */
  readonly position: number;
  done: boolean;
}

/**
 * How far one partition has come: everything at or below `position` is done with, whatever was finished out of turn
 * above it. Marks are taken in position order. Capacity: one place for each mark that is not done, or lies above one
 * that is not.
 */
export class Progress {
  readonly #marks = new Fifo<Mark>();
  #looked: number;

  constructor(after: number) {
    this.#looked = after;
  }

  /** Everything up to here was taken, or was not asked for. */
  get looked(): number {
    return this.#looked;
  }

  /** The highest position below which, itself included, all is done: the checkpoint. */
  get position(): number {
    const first = this.#marks.peek();
    return first === undefined ? this.#looked : first.position - 1;
  }

  /** The oldest that is not done. */
  get oldest(): Mark | undefined {
    return this.#marks.peek();
  }

  /** Takes a mark whose last event is at `through`. */
  take(mark: Mark, through = mark.position): void {
    this.#marks.push(mark);
    this.#looked = through;
  }

  /** Nothing that was asked for lies between the last mark and `position`. */
  look(position: number): void {
    if (position > this.#looked) this.#looked = position;
  }

  /** To be called when a mark is done; answers whether the checkpoint has moved. */
  settle(): boolean {
    let moved = false;
    while (this.#marks.peek()?.done === true) {
      this.#marks.shift();
      moved = true;
    }
    return moved;
  }
}
