import type { LoggerService } from '@nestjs/common';

/** Keeps what an app says, and prints nothing. */
export class RecordingLogger implements LoggerService {
  readonly warnings: string[] = [];
  readonly errors: string[] = [];
  /** An app says much when it starts. */
  readonly logged: string[] = [];

  log(message: unknown): void {
    this.logged.push(String(message));
  }

  error(message: unknown): void {
    this.errors.push(String(message));
  }

  warn(message: unknown): void {
    this.warnings.push(String(message));
  }
}
