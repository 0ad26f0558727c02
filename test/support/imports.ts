import { posix } from 'node:path';
import ts from 'typescript';

/** One import or re-export of a file. */
export interface Import {
  readonly from: string;
  /** A file's path where the import is relative, else the module's name as it is written. */
  readonly to: string;
  readonly relative: boolean;
  /** Whether something of it exists at run time. */
  readonly value: boolean;
}

/** Paths of files, such as `core/group.ts`, and what is in them. */
export type Files = Readonly<Record<string, string>>;

/** Every import of every file: static ones, re-exports, `import()` and types written as `import('…')`. */
export function importsOf(files: Files): Import[] {
  return Object.entries(files).flatMap(([from, text]) => {
    const found: Import[] = [];
    const add = (specifier: ts.Node | undefined, value: boolean): void => {
      if (specifier === undefined || !ts.isStringLiteral(specifier)) return;
      const relative = specifier.text.startsWith('.');
      found.push({ from, to: relative ? target(from, specifier.text) : specifier.text, relative, value });
    };
    const visit = (node: ts.Node): void => {
      if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, !isTypeOnly(node.importClause));
      else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, !node.isTypeOnly);
      else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, false);
      else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
        add(node.arguments[0], true);
      ts.forEachChild(node, visit);
    };
    visit(parse(from, text));
    return found;
  });
}

/** Whether a file exports something as `default`. */
export function hasDefaultExport(path: string, text: string): boolean {
  return parse(path, text).statements.some(
    (statement) =>
      ts.isExportAssignment(statement) ||
      (ts.canHaveModifiers(statement) &&
        ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword) === true) ||
      (ts.isExportDeclaration(statement) &&
        statement.exportClause !== undefined &&
        ts.isNamedExports(statement.exportClause) &&
        statement.exportClause.elements.some(({ name }) => name.text === 'default')),
  );
}

function isTypeOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { name, namedBindings } = clause;
  return (
    name === undefined &&
    namedBindings !== undefined &&
    ts.isNamedImports(namedBindings) &&
    namedBindings.elements.length > 0 &&
    namedBindings.elements.every((element) => element.isTypeOnly)
  );
}

function target(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}

function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}
