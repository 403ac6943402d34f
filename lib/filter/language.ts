/** A value a filter compares with. */
export type FilterValue = null | boolean | number | string;

/**
 * Operators on one field; several must all hold. A bare value means `$eq`. Values compare within one JSON type: a
 * number is never greater than a string. What is missing is not null: it equals nothing, so `$ne`, `$nin` and `$not`
 * hold for it and every other operator but `$exists: false` does not.
 */
export interface Operators {
  /** Objects and arrays are compared whole. */
  readonly $eq?: unknown;
  readonly $ne?: unknown;
  readonly $in?: readonly unknown[];
  readonly $nin?: readonly unknown[];
  readonly $gt?: FilterValue | Date;
  readonly $gte?: FilterValue | Date;
  readonly $lt?: FilterValue | Date;
  readonly $lte?: FilterValue | Date;
  readonly $exists?: boolean;
  /** `*` any run of characters, `?` one; case-sensitive, the whole string. At most 4,096 characters. */
  readonly $like?: string;
  /** A substring of a string, or an element of an array. */
  readonly $contains?: FilterValue;
  readonly $not?: unknown;
}

/**
 * One closed language everywhere. Keys are envelope fields (`type`, `entity`, `time`, `position` …) or dotted paths
 * into `payload` and `metadata`. Wherever `type` or `source` is compared for equality, a text with `*` is a pattern;
 * on `entity`, `kind/*` is every entity of the kind. `time` and `storedAt` are compared with epoch ms, a Date or an
 * ISO string with zone.
 */
export interface Filter {
  readonly $and?: readonly Filter[];
  readonly $or?: readonly Filter[];
  readonly $not?: Filter;
  readonly [path: string]: unknown;
}
