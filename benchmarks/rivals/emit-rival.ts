/** What all emitters are measured through: one type of event, listeners that count. */
export interface EmitRival {
  readonly name: string;
  /** Adds a listener to the one type that is emitted, by a pattern where the library has them. */
  subscribe(listener: (message: unknown) => void): void;
  /** Delivered when it returns, or when its promise resolves. */
  emit(message: unknown): void | Promise<unknown>;
  close?(): Promise<unknown>;
}
