/** Something the person who starts the sample can put right: printed as its message alone, with exit code 1. */
export class StartupError extends Error {
  override readonly name = 'StartupError';
}
