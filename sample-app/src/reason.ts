/** One line that says why something failed: connection errors often carry their facts in `code` or in inner errors. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ');
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  const [line = ''] = error.message.split('\n');
  return line || (code ?? error.name);
}

/** A connection URL as it may be printed: without its password and parameters. */
export function withoutSecrets(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}
