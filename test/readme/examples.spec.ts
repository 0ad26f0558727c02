import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

const root = join(import.meta.dirname, '../..');

/** A code block of a page or of a doc comment, as a file of its own. */
interface Example {
  readonly file: string;
  readonly code: string;
}

describe('every example', () => {
  const pages = ['README.md', ...filesBelow('docs', '.md')];
  const sources = filesBelow('lib', '.ts');

  it('compiles in the README and the docs', () => {
    const examples = pages.flatMap((page) => examplesOf(page, read(page)));
    expect(examples.length).toBeGreaterThanOrEqual(9);
    expect(diagnosticsOf(examples)).toEqual([]);
  });

  it('compiles in the doc comments', () => {
    const examples = sources.flatMap((source) => examplesOf(source, commentsOf(read(source))));
    expect(examples.length).toBeGreaterThanOrEqual(10);
    expect(diagnosticsOf(examples)).toEqual([]);
  });

  it('is found out when it does not compile', () => {
    const bad = { file: 'bad.ts', code: "import { Group } from 'nestjs-singleflight';\nnew Group({ nmae: 'x' });" };
    expect(diagnosticsOf([bad])).toEqual([expect.stringMatching(/^bad\.ts: .*'nmae' does not exist/)]);
  });
});

function examplesOf(file: string, text: string): Example[] {
  return [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code], index) => ({
    file: `${file.replace(/\W/g, '-')}-${index + 1}.ts`,
    code: code ?? '',
  }));
}

function commentsOf(source: string): string {
  return [...source.matchAll(/\/\*\*.*?\*\//gs)].map(([comment]) => comment.replace(/^ *\* ?/gm, '')).join('\n');
}

function diagnosticsOf(examples: readonly Example[]): string[] {
  const folder = join(root, 'test/readme');
  const files = new Map(examples.map(({ file, code }) => [join(folder, file), `${code}\nexport {};\n`]));
  const options: ts.CompilerOptions = {
    ...baseOptions(),
    noEmit: true,
    noUnusedLocals: false,
    noUnusedParameters: false,
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.readFile = (name) => files.get(name) ?? readFile(name);
  host.getSourceFile = (name, ...rest) => {
    const code = files.get(name);
    return code === undefined
      ? getSourceFile(name, ...rest)
      : ts.createSourceFile(name, code, ts.ScriptTarget.ES2022, true);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file === undefined ? '' : `${file.getLineAndCharacterOfPosition(start ?? 0).line + 1}: `;
    const name = file === undefined ? '' : relative(folder, file.fileName);
    return `${name}: ${line}${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

function baseOptions(): ts.CompilerOptions {
  const path = join(root, 'tsconfig.json');
  const { config } = ts.readConfigFile(path, (name) => ts.sys.readFile(name)) as { config: unknown };
  return ts.parseJsonConfigFileContent(config, ts.sys, root).options;
}

function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}
