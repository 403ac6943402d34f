import type { Migrations } from '../../lib/plugin.ts';
import type { Connection } from '../../plugins/sqlite/connection.ts';

/** From version 1 to 3; each step notes that it was carried out. */
export const MIGRATIONS_OF_TESTS: Migrations<Connection> = [
  (connection) => {
    connection.exec('CREATE TABLE telltale_steps (step INTEGER NOT NULL)');
    connection.run('INSERT INTO telltale_steps VALUES (2)');
  },
  (connection) => connection.run('INSERT INTO telltale_steps VALUES (3)'),
];
