/** What the server says, by its SQLSTATE, and what to do about it. */
const SENTENCES: Readonly<Record<string, string>> = {
  '25006': 'the pool is connected to a replica, which takes no writes: connect it to the primary',
  '28P01': 'user or password is wrong',
  '28000': 'the server does not let this user in',
  '3D000': 'there is no such database',
  '3F000': 'there is no such `schema`: make it first',
  '42501': 'its user lacks a privilege',
  '42P01': 'the table is gone: restart, or run the SQL of postgresEngineSql()',
  '42883': 'the functions are gone: restart, or run the SQL of postgresEngineSql()',
  '53100': 'the disk of the server is full',
  '53200': 'the server is out of memory',
  '53300': 'the server has no connection left: give it a higher `max_connections`, or the pools a lower `max`',
  '57014': 'a statement was cancelled, as by `statement_timeout`',
  '57P01': 'the server is shutting down, or somebody has ended the connection',
  '57P02': 'the server has crashed',
  '57P03': 'the server is starting up',
};

/** Classes of SQLSTATE in which a connection is lost, and what Node and pg say of one. */
const LOST = /^(08...|57P0[123]|ECONNRESET|EPIPE)$/;
const LOST_WORDS = /^Connection terminated|not queryable/;

/** Whether the connection is lost, so that another one may be better. What was asked may have been done. */
export function isLostConnection(error: unknown): boolean {
  return error instanceof Error && (LOST.test(codeOf(error)) || LOST_WORDS.test(error.message));
}

/** Why it was refused, as one sentence; the client's error is its cause. */
export function refusalOf(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const sentence = SENTENCES[codeOf(error)];
  return sentence === undefined ? error : new Error(`${sentence}: ${error.message}`, { cause: error });
}

export function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : '';
}
