import type { Envelope } from '../event/envelope.ts';
import type { MailboxLimits } from '../mailbox/overflow.ts';

/**
 * Room for what all instances of an actor put off: once more what the limits of its mailbox say, in events and in bytes.
 * What was put off takes it up until it is handled again, or cancelled. What consumers bring is counted, not bounded.
 */
export class StashRoom {
  readonly limits: MailboxLimits;
  #length = 0;
  #bytes = 0;

  constructor(limits: MailboxLimits) {
    this.limits = limits;
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  has({ bytes }: Envelope): boolean {
    const { max, maxBytes } = this.limits;
    return this.#length === 0 || (this.#length < max && this.#bytes + bytes <= maxBytes);
  }

  take({ bytes }: Envelope): void {
    this.#length++;
    this.#bytes += bytes;
  }

  leave({ bytes }: Envelope): void {
    this.#length--;
    this.#bytes -= bytes;
  }
}
