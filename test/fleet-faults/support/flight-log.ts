import { appendFileSync, readFileSync } from 'node:fs';

interface Line {
  readonly what: 'start' | 'end' | 'dead';
  readonly key: string;
  readonly run: string;
  readonly pid: number;
  readonly fence: string;
}

/** What functions were run, by a file that all processes write to. */
export class FlightLog {
  constructor(readonly file: string) {
    appendFileSync(file, '');
  }

  /** What the process has been running has ended. */
  dead(pid: number): void {
    appendFileSync(this.file, `dead - - ${pid} -\n`);
  }

  executions(key: string): number {
    return this.lines().filter((line) => line.what === 'start' && line.key === key).length;
  }

  /** How many functions of the key ran at once, at most. */
  atOnce(key: string): number {
    const running = new Map<string, number>();
    let most = 0;
    for (const line of this.lines()) {
      if (line.what === 'dead') for (const [run, pid] of running) if (pid === line.pid) running.delete(run);
      if (line.key !== key) continue;
      if (line.what === 'start') running.set(line.run, line.pid);
      else running.delete(line.run);
      most = Math.max(most, running.size);
    }
    return most;
  }

  /** The fences that functions of the key ran under, in the order of their starts. */
  fences(key: string): string[] {
    return this.lines().flatMap((line) => (line.what === 'start' && line.key === key ? [line.fence] : []));
  }

  private lines(): Line[] {
    const texts = readFileSync(this.file, 'utf8').trim().split('\n');
    return texts.map((text) => {
      const [what, key = '', run = '', pid, fence = ''] = text.split(' ');
      return { what: what as Line['what'], key, run, pid: Number(pid), fence };
    });
  }
}
