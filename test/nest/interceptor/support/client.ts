import { request as httpRequest, type ClientRequest } from 'node:http';
import { deferred, type Deferred } from '../../../support/deferred.js';
import { turn } from './server.js';

/** A client that can hang up before it has its answer. */
export class Client {
  private readonly request: ClientRequest;
  readonly answer: Promise<string>;

  constructor(port: number, path: string) {
    const { promise, resolve, reject }: Deferred<string> = deferred();
    this.request = httpRequest({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('error', reject).on('end', () => {
        resolve(`${response.statusCode} ${text}`);
      });
    });
    this.request.on('error', reject).end();
    promise.catch(() => undefined);
    this.answer = promise;
  }

  hangUp(): void {
    this.request.destroy(new Error('hung up'));
  }
}

/** Until something that comes over the network has happened. */
export async function until(happened: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!happened()) {
    if (performance.now() > deadline) throw new Error('It did not happen within five seconds.');
    await turn();
  }
}
