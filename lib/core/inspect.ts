/** How an error prints what came instead of what was asked for: in a few words, and never a secret in full. */
export function inspect(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `the string ${JSON.stringify(value.length > 32 ? `${value.slice(0, 32)}…` : value)}`;
    case 'bigint':
      return `the bigint ${value}n`;
    case 'symbol':
      return 'a symbol';
    case 'function':
      return 'a function';
    case 'object':
      return value === null ? 'null' : kindOf(value);
    case 'number':
    case 'boolean':
      return `the ${typeof value} ${String(value)}`;
    default:
      return 'undefined';
  }
}

/** What was thrown, as a warning prints it: that it cannot be printed must not be a second failure. */
export function inspectThrown(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return inspect(thrown);
  }
}

function kindOf(value: object): string {
  if (Array.isArray(value)) return 'an array';
  const name = classNameOf(value);
  if (name === undefined || name === 'Object') return 'an object';
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`;
}

function classNameOf(value: object): string | undefined {
  const { constructor } = value as { constructor?: unknown };
  return typeof constructor === 'function' && constructor.name !== '' ? constructor.name : undefined;
}
