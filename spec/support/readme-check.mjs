// Runs the snippets of README.md (or of the files named) against the built package, which they import by its own name.
//
//   ```js            runs as it stands, in an empty folder
//   ```ts            is type-checked, compiled and run
//   ```js no-run     is checked only: syntax of js, types of ts
//   // prints: text  the snippet must print this line; `…` stands for any run of characters
//   <!-- before: … --> right above a block: code it needs and the reader does not
//
// Other blocks (sh, text, json) are left alone. Exit code 1 and one paragraph for each snippet that does not hold.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const TIMEOUT_MS = 30_000;
const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
// Within the package, so that `telltale` resolves to its own `exports`; of this process alone, so that runs do not meet.
const workshop = join(root, 'build/readme', String(process.pid));

/** The runnable blocks of a Markdown text, with the line each begins at. */
function snippetsOf(text) {
  const fence = /(?:^<!-- before:([\s\S]*?)-->\n+)?^```(js|ts)( no-run)?\n([\s\S]*?)^```$/gm;
  return [...text.matchAll(fence)].map((match) => {
    const [whole, before = '', language, noRun, code] = match;
    const line = text.slice(0, match.index + whole.indexOf('```')).split('\n').length;
    const prints = [...code.matchAll(/\/\/ prints: (.*)$/gm)].map((found) => found[1].trimEnd());
    return { line, language, run: !noRun, prints, code: before.trim() === '' ? code : `${before.trim()}\n${code}` };
  });
}

// Each in a folder of its own, which is also where it runs. `.mjs` makes a js block a module wherever it lies.
function lay(snippet, document) {
  const folder = join(workshop, `${document.replace(/\W/g, '-')}-${snippet.line}`);
  const [source, program] = snippet.language === 'ts' ? ['snippet.ts', 'snippet.js'] : ['snippet.mjs', 'snippet.mjs'];
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, source), snippet.language === 'ts' ? `${snippet.code}\nexport {};\n` : snippet.code);
  return { ...snippet, name: `${document}:${snippet.line}`, file: join(folder, program) };
}

function compile(snippets) {
  const config = {
    extends: relative(workshop, join(root, 'tsconfig.json')),
    compilerOptions: {
      noEmit: false,
      incremental: false,
      tsBuildInfoFile: null,
      types: ['node'],
      paths: {},
      rootDir: '.',
      outDir: '.',
      // A snippet shows what a name is for and need not use it.
      noUnusedLocals: false,
      noUnusedParameters: false,
    },
    include: ['**/*.ts'],
    exclude: [],
  };
  writeFileSync(join(workshop, 'tsconfig.json'), JSON.stringify(config));
  if (!snippets.some(({ language }) => language === 'ts')) return [];
  try {
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', workshop], {
      encoding: 'utf8',
    });
    return [];
  } catch (error) {
    return [`types:\n${error.stdout}${error.stderr}`];
  }
}

async function check(snippet) {
  const args = snippet.run ? ['--enable-source-maps', snippet.file] : ['--check', snippet.file];
  const cwd = dirname(snippet.file);
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd,
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
    });
    const missing = snippet.run ? missingLines(snippet.prints, stdout.split('\n')) : [];
    return missing.length === 0
      ? []
      : [`${snippet.name}: did not print\n${indent(missing.join('\n'))}\nbut\n${indent(stdout)}`];
  } catch (error) {
    const why = error.killed ? `did not end within ${TIMEOUT_MS / 1000} s` : `exit code ${error.code}`;
    return [`${snippet.name}: ${why}\n${indent(`${error.stdout}${error.stderr}`)}`];
  }
}

// Each wanted line takes one printed line, in whatever order handlers printed them.
function missingLines(wanted, printed) {
  const left = printed.map((line) => line.trimEnd());
  return wanted.filter((line) => {
    const pattern = new RegExp(
      `^${line
        .split('…')
        .map(RegExp.escape ?? escape)
        .join('.*')}$`,
    );
    const found = left.findIndex((candidate) => pattern.test(candidate));
    if (found !== -1) left.splice(found, 1);
    return found === -1;
  });
}

function escape(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function indent(text) {
  return text.trimEnd().replace(/^/gm, '    ');
}

if (!existsSync(join(root, 'dist/lib/index.js'))) throw new Error('the package is not built: npm run build');
const documents =
  process.argv.length > 2 ? process.argv.slice(2).map((file) => resolve(file)) : [join(root, 'README.md')];
mkdirSync(workshop, { recursive: true });
try {
  const snippets = documents.flatMap((document) =>
    snippetsOf(readFileSync(document, 'utf8')).map((snippet) => lay(snippet, basename(document))),
  );
  const failures = compile(snippets);
  if (failures.length === 0) for (const snippet of snippets) failures.push(...(await check(snippet)));
  for (const failure of failures) console.error(failure);
  if (snippets.length === 0) console.error('no snippet found');
  console.log(`${snippets.length} snippets, ${failures.length} failed`);
  process.exitCode = failures.length > 0 || snippets.length === 0 ? 1 : 0;
} finally {
  rmSync(workshop, { recursive: true, force: true });
}
