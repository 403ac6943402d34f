/** A value a filter compares with. */
export type FilterValue = null | boolean | number | string;

/** Operators on one field. A bare value means `$eq`. */
export interface Operators {
  readonly $eq?: unknown;
  readonly $ne?: unknown;
  readonly $in?: readonly unknown[];
  readonly $nin?: readonly unknown[];
  readonly $gt?: FilterValue;
  readonly $gte?: FilterValue;
  readonly $lt?: FilterValue;
  readonly $lte?: FilterValue;
  readonly $exists?: boolean;
  /** `*` any run of characters, `?` one; case-sensitive, the whole string. */
  readonly $like?: string;
  /** A substring of a string, or an element of an array. */
  readonly $contains?: FilterValue;
  readonly $not?: Operators | FilterValue;
}

/**
 * One closed language everywhere. Keys are envelope fields (`type`, `entity`, `time`, `position` …) or dotted paths
 * into `payload` and `metadata`; patterns are allowed on `type` and `source`, `kind/*` on `entity`.
 */
export interface Filter {
  readonly $and?: readonly Filter[];
  readonly $or?: readonly Filter[];
  readonly $not?: Filter;
  readonly [path: string]: unknown;
}
