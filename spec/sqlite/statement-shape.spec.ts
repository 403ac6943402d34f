import { expect } from 'chai';
import { shapeOf } from '../../plugins/sqlite/statement-shape.ts';

const statements = (sql: string): number => shapeOf(sql).statements;
const looked = (sql: string): unknown[] => [shapeOf(sql).parameters, shapeOf(sql).isNamed];
const changing = (sql: string): boolean => shapeOf(sql).changesRows;

describe('the shape of an SQLite statement', () => {
  it('has as many statements as SQLite finds', () => {
    for (const none of ['', ' ;; ', '-- SELECT 1', '/* SELECT 1', '\uFEFF']) expect(statements(none), none).to.equal(0);
    for (const one of [
      'SELECT 1',
      ';SELECT 1; -- ; SELECT 2',
      "SELECT ';', 'it''s; ', \";\", [;], `;` /* ; */ ;",
      'CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; SELECT CASE 1 WHEN 1 THEN 2 END; END',
      '/* */ CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END ; ',
      'CREATE TABLE "trigger" (a)',
    ])
      expect(statements(one), one).to.equal(1);
    for (const two of [
      'SELECT 1; COMMIT',
      "SELECT ''';''';COMMIT",
      'SELECT 1;/**/COMMIT',
      'CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END; COMMIT',
      'CREATE TABLE "trigger" (a); COMMIT',
    ])
      expect(statements(two), two).to.equal(2);
  });

  it('counts its parameters, and tells those that have a name or a number', () => {
    expect(looked('INSERT INTO t VALUES (?, ?,?) -- ?\n RETURNING \'?\', "?" /*?*/')).to.deep.equal([3, false]);
    expect(looked("SELECT a->'$.b', a->>'$', a$b FROM t WHERE n=?")).to.deep.equal([1, false]);
    for (const sql of ['SELECT ?1', 'SELECT :a', 'SELECT @a', 'SELECT $a', 'SELECT 1=:é'])
      expect(shapeOf(sql).isNamed, sql).to.equal(true);
  });

  it('tells what may change rows', () => {
    for (const sql of [
      'insert into t values (1)',
      ';REPLACE INTO t VALUES (1)',
      'WITH a AS (SELECT 1), b AS (SELECT 2) DELETE FROM t',
      'UPDATE t SET n = 1 RETURNING n',
    ])
      expect(changing(sql), sql).to.equal(true);
    for (const sql of [
      'SELECT 1',
      'CREATE TABLE a AS SELECT 1',
      'WITH a AS (SELECT 1) SELECT * FROM a',
      'PRAGMA x',
      '',
    ])
      expect(changing(sql), sql).to.equal(false);
  });

  it('is found in time that grows with the length', () => {
    const text = `SELECT '${"''".repeat(500_000)}', ${'('.repeat(100_000)} ${'?,'.repeat(100_000)} /*${'*'.repeat(500_000)}`;
    expect(shapeOf(text)).to.include({ statements: 1, parameters: 100_000 });
  });
});
