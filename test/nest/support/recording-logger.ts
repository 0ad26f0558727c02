import type { LoggerService } from '@nestjs/common';

/** Keeps the warnings of an app, and prints nothing. */
export class RecordingLogger implements LoggerService {
  readonly warnings: string[] = [];

  log(): void {
    // An app says much when it starts.
  }

  error(): void {
    // What is refused at start is thrown as well.
  }

  warn(message: unknown): void {
    this.warnings.push(String(message));
  }
}
