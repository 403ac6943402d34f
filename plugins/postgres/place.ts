import type { PgPool } from './driver.ts';

/** Where the server is: one of the three. */
export type Place =
  | { readonly url: string }
  | { readonly connection: Readonly<Record<string, unknown>> }
  | { readonly pool: PgPool };
