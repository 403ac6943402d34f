import type { Session } from './connections.ts';
import type { Names } from './names.ts';

/**
 * What the session's transaction makes from here on belongs to whom the log belongs to: whoever has that role may change
 * it, whichever user made it.
 */
export async function actAsOwner(session: Session, names: Names): Promise<void> {
  await session.query(
    `SELECT set_config('role', r.rolname, true) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
     WHERE c.oid = to_regclass($1) AND r.rolname <> current_user`,
    [names.of('events')],
  );
}
