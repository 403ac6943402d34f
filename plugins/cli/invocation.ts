import { dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nearest } from './nearest.ts';

/** Root of this package, whether it is installed or a checkout. */
export function packageRoot(): string {
  return dirname(fileURLToPath(nearest('package.json')));
}

/** What to type for another command of this program, the way it was started this time. */
export function commandLine(...words: readonly string[]): string {
  return [program(), ...words.map(quote)].join(' ');
}

function program(): string {
  const script = process.argv[1] ?? '';
  // Started by its name, globally or through npx.
  if (process.env['npm_command'] === 'exec') return 'npx telltale';
  if (!script.endsWith('main.js')) return 'telltale';
  // In the checkout npx finds the package it stands in.
  if (script.includes('/node_modules/') || process.cwd() === packageRoot()) return 'npx telltale';
  return `node ${quote(relative(process.cwd(), script) || script)}`;
}

function quote(word: string): string {
  return /^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
