import { TelltaleError } from '../../lib/plugin.ts';

/** What the store needs of `pg`, so that its types are nobody's dependency. */
export interface PgResult {
  readonly rows: readonly (readonly (string | null)[])[];
  readonly rowCount: number | null;
}

export interface PgQuery {
  readonly text: string;
  readonly values?: readonly unknown[];
  readonly rowMode: 'array';
  readonly query_timeout: number;
  /** Everything comes as the text that the server sent. */
  readonly types: { getTypeParser(): (text: string) => string };
}

type OnError = (error: Error) => void;

export interface PgClient {
  query(query: PgQuery): Promise<PgResult>;
  on(event: 'error', listener: OnError): unknown;
  removeListener(event: 'error', listener: OnError): unknown;
}

export interface PgPoolClient extends PgClient {
  release(error?: Error | boolean): void;
  /** Which of the server's processes serves it; a pool that only looks like one of `pg` may not tell. */
  readonly processID?: number;
}

/** A connection outside of any pool. */
export interface PgSingleClient extends PgClient {
  on(event: 'error', listener: OnError): unknown;
  on(event: 'end', listener: () => void): unknown;
  on(
    event: 'notification',
    listener: (message: { readonly processId: number; readonly payload?: string }) => void,
  ): unknown;
  connect(): Promise<unknown>;
  end(): Promise<void>;
}

/** A pool of `pg`, or whatever has its shape. */
export interface PgPool {
  connect(): Promise<PgPoolClient>;
  on(event: 'error', listener: OnError): unknown;
  removeListener(event: 'error', listener: OnError): unknown;
  readonly ending?: boolean;
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
}

interface OwnPool extends PgPool {
  on(event: 'error', listener: OnError): unknown;
  on(event: 'connect' | 'remove', listener: (client: PgClient) => void): unknown;
  end(): Promise<void>;
}

interface Driver {
  readonly Pool: new (options: object) => OwnPool;
  readonly Client: new (options: object) => PgSingleClient;
}

/** Throws `NOT_SUPPORTED` with what to install. */
export async function loadDriver(load: () => Promise<unknown> = () => import('pg')): Promise<Driver> {
  let loaded: unknown;
  try {
    loaded = await load();
  } catch (cause) {
    throw new TelltaleError('NOT_SUPPORTED', 'the PostgreSQL store needs the package pg: npm install pg', { cause });
  }
  return (loaded as { readonly default: Driver }).default;
}
