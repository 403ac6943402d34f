import { Slice } from '../store/slice.ts';

/** Well below the 20 ms that work in the background may hold the event loop. */
const HOLD_MS = 6;
/** Turns given to foreground work that goes on and on, before the background has a slice again. */
const MOST_TURNS = 20;

/** Slices that make way: each rest lasts as long as there is foreground work, within reason. */
export class Pacer extends Slice {
  readonly #isBusy: () => boolean;

  constructor(isBusy: () => boolean = () => false) {
    super(HOLD_MS);
    this.#isBusy = isBusy;
  }

  override async rest(): Promise<void> {
    let turns = 0;
    do await super.rest();
    while (this.#isBusy() && ++turns < MOST_TURNS);
  }
}
