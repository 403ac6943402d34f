/** How frames get to the other side: a message port, the channel of a child process, or memory. */
export interface Transport {
  /**
   * Sends one frame. A text, because that is the cheapest thing a message port carries: half of what transferred bytes
   * cost at 64 kB. Never throws: what cannot be sent any more is lost.
   */
  post(frame: string): void;
  /** Called once. Everything that arrives is told before `ended`, which is told once. */
  start(port: TransportPort): void;
  /** Sends what was posted, then ends: nothing arrives any more, and `ended` is not told. */
  end(): void;
}

export interface TransportPort {
  /** Whatever the other side has sent, ours or not. */
  message(data: unknown): void;
  /** The other side is gone. */
  ended(reason: Error): void;
}
