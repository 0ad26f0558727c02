import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** One compiler with one set of options, over all the cases that are meant for them. */
export interface Program {
  readonly compiler: string;
  readonly decorators: 'legacy' | 'tc39';
  readonly checks: 'strict' | 'loose' | 'exact';
}

/** What a program says about the cases: a line each, `path(line): message`. */
export interface Verdict {
  readonly errorsInAccepted: readonly string[];
  readonly expectedInRejected: readonly string[];
  readonly errorsInRejected: readonly string[];
}

/** Compiles all programs, two at a time, against the declarations that users get. */
export async function compileAll(programs: readonly Program[]): Promise<Map<Program, Verdict>> {
  const verdicts = new Map<Program, Verdict>();
  const queue = [...programs];
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'types-')));
  try {
    await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
    await declare(join(folder, 'lib'));
    const work = async () => {
      for (let program = queue.shift(); program; program = queue.shift()) {
        verdicts.set(program, await compile(program, join(folder, Object.values(program).join('-'))));
      }
    };
    await Promise.all([work(), work()]);
  } finally {
    await rm(folder, { recursive: true });
  }
  return verdicts;
}

/** Writes the library's declarations as its build does: the sources are not compiled with a user's options. */
async function declare(folder: string): Promise<void> {
  await run('typescript', ['--project', join(root, 'tsconfig.esm.json'), '--emitDeclarationOnly', '--outDir', folder]);
}

/**
 * Compiles a copy of the cases in which the `@ts-expect-error` directives are plain comments, so that the compiler says
 * on which line it found what.
 */
async function compile(program: Program, folder: string): Promise<Verdict> {
  const expected = await copyCases(program, folder);
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: compilerOptions(program) }));
  return judge(await run(program.compiler, ['--project', folder], folder), expected);
}

const here = import.meta.dirname;
const root = resolve(here, '../..');
const directive = /\/\/ @ts-expect-error: (.+)$/;

interface Line {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

async function copyCases(program: Program, folder: string): Promise<Line[]> {
  const expected: Line[] = [];
  for (const path of await readdir(join(here, 'cases'), { recursive: true })) {
    if (!isMeantFor(program, path)) continue;
    const lines = (await readFile(join(here, 'cases', path), 'utf8')).split('\n');
    lines.forEach((text, index) => {
      const message = directive.exec(text)?.[1];
      // The error is on the line below the directive, and lines are counted from one.
      if (message !== undefined) expected.push({ path, line: index + 2, message });
    });
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), lines.map((text) => text.replace(directive, '//')).join('\n'));
  }
  return expected;
}

/** `name.ts` is for every program, `name.legacy.ts` for those with legacy decorators, and so on. */
function isMeantFor({ decorators, checks }: Program, path: string): boolean {
  const [, only] = /(?:\.(\w+))?\.ts$/.exec(path) ?? [];
  if (!path.endsWith('.ts')) return false;
  if (only === 'strict') return checks !== 'loose';
  return only === undefined || only === decorators || only === checks;
}

function compilerOptions({ decorators, checks }: Program): object {
  return {
    target: 'ES2022',
    lib: ['ES2023'],
    module: 'NodeNext',
    moduleResolution: 'NodeNext',
    types: ['node'],
    strict: checks !== 'loose',
    exactOptionalPropertyTypes: checks === 'exact',
    experimentalDecorators: decorators === 'legacy',
    emitDecoratorMetadata: decorators === 'legacy',
    skipLibCheck: true,
    declaration: true,
    noEmit: true,
    paths: {
      'nestjs-singleflight': ['../lib/index.d.ts'],
      'nestjs-singleflight/core': ['../lib/core/index.d.ts'],
    },
  };
}

/** TypeScript 7 is a native program without an API: all three are asked on their command line. */
function run(compiler: string, args: readonly string[], cwd = root): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve(`${compiler}/package.json`);
  const tsc = join(dirname(manifest), 'bin/tsc');
  return new Promise((done) => {
    execFile(process.execPath, [tsc, ...args, '--pretty', 'false'], { cwd }, (error, stdout, stderr) => {
      done(error && !stdout ? stderr + error.message : stdout);
    });
  });
}

function judge(output: string, expected: readonly Line[]): Verdict {
  const errors = parse(output);
  const inRejected = (error: Line) => error.path.startsWith('rejected/');
  return {
    errorsInAccepted: errors.filter((error) => !inRejected(error)).map(print),
    expectedInRejected: expected.map(print).sort(),
    errorsInRejected: onePerLine(errors.filter(inRejected), expected).map(print).sort(),
  };
}

/** Every error that the compiler printed; what is not about a line of a file has no path. */
function parse(output: string): Line[] {
  return output
    .split(/\r?\n(?=\S)/)
    .filter((text) => text.trim() !== '')
    .map((text) => {
      const [, path, line, message] = /^(.+?)\((\d+),\d+\): error (.+)$/s.exec(text.trim()) ?? [];
      return message === undefined
        ? { path: '', line: 0, message: text }
        : { path: path!, line: Number(line), message };
    });
}

/** A line may have several errors: where one of them says what was expected, that is what the line says. */
function onePerLine(errors: readonly Line[], expected: readonly Line[]): Line[] {
  const lines = new Map<string, Line>();
  for (const error of errors) {
    const place = `${error.path}:${error.line}`;
    const wanted = expected.find(({ path, line }) => path === error.path && line === error.line);
    if (wanted && error.message.includes(wanted.message)) lines.set(place, wanted);
    else if (!lines.has(place)) lines.set(place, error);
  }
  return [...lines.values()];
}

function print({ path, line, message }: Line): string {
  return `${path}(${line}): ${message}`;
}
