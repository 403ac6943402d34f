/** What is wrong with a log. */
export interface Diagnosis {
  /** Of which kind the log is, and where. */
  readonly kind: string;
  readonly head: number;
  readonly events: number;
  readonly faults: readonly Fault[];
  /** How many there are; the list has the first 1,000. */
  readonly found: number;
  readonly notes: readonly string[];
}

export interface Fault {
  readonly problem: string;
  readonly file?: string;
  readonly offset?: number;
  readonly position?: number;
}
