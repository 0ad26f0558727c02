import { from, lastValueFrom } from 'rxjs';
import { ByHand } from '../by-hand.mjs';

/**
 * The least that coalesces requests: whoever asks for the same URL gets the same answer. No share, no header, no limit,
 * nobody leaves: what it costs is the floor, and nothing to put before users who differ.
 */
export class ByHandInterceptor {
  #flights = new ByHand();

  intercept(context, next) {
    return from(this.#flights.run(context.getArgByIndex(0).url, () => lastValueFrom(next.handle())));
  }
}
