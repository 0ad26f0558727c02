import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly ms: number;
}

export interface Volley {
  readonly answers: readonly Answer[];
  /** From the first request to the last answer. */
  readonly ms: number;
}

/** Many clients with a connection each, who can all ask for the same page at once, again and again. */
export class Clients {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: Infinity });

  constructor(
    private readonly number: number,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener('abort', this.leave);
  }

  async askAtOnce(url: string): Promise<Volley> {
    this.signal.throwIfAborted();
    const start = performance.now();
    const answers = await Promise.all(Array.from({ length: this.number }, () => this.ask(url)));
    return { answers, ms: performance.now() - start };
  }

  /** As {@link askAtOnce}, and goes on when a request fails: undefined is its answer. */
  askWhoeverAnswers(url: string): Promise<(Answer | undefined)[]> {
    this.signal.throwIfAborted();
    return Promise.all(Array.from({ length: this.number }, () => this.ask(url).catch(() => undefined)));
  }

  readonly leave = (): void => {
    this.signal.removeEventListener('abort', this.leave);
    this.agent.destroy();
  };

  private async ask(url: string): Promise<Answer> {
    const start = performance.now();
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(url, { agent: this.agent }, resolve).on('error', reject).end();
    });
    let body = '';
    for await (const text of response.setEncoding('utf8')) body += text as string;
    return { status: response.statusCode ?? 0, body, ms: performance.now() - start };
  }
}
