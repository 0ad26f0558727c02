import { Logger } from '@nestjs/common';
import type { HttpRequest } from './http-exchange.js';
import { differenceOf } from './http-key.js';
import type { Route } from './route.js';

/** So many requests have to overlap on a URL without one that merges before anybody is told. */
const TELLING = 10;
/** No more URLs are kept in mind than that: a route of many is watched on some of them. */
const MOST_URLS = 100;

/**
 * Notices that a route's requests overlap on one URL and never merge, which is what the interceptor was put there for:
 * one warning names the header that tells them apart.
 */
export class Overlaps {
  /** The request that leads on each URL. Written as they come and go. */
  private readonly leading = new Map<string, HttpRequest>();
  /** How often which difference was seen. */
  private readonly seen = new Map<string, number>();
  private count = 0;
  private readonly logger = new Logger('SingleFlight');

  constructor(private readonly route: Route) {}

  /** A request leads; whether somebody was told now, so that there is nothing more to notice. */
  led(request: HttpRequest): boolean {
    const url = request.originalUrl ?? request.url;
    const other = this.leading.get(url);
    if (other === undefined) {
      if (this.leading.size < MOST_URLS) this.leading.set(url, request);
      return false;
    }
    const difference = differenceOf(other, request, this.route);
    if (difference === undefined) return false;
    this.seen.set(difference, (this.seen.get(difference) ?? 0) + 1);
    if (++this.count < TELLING) return false;
    this.tell();
    return true;
  }

  landed(request: HttpRequest): void {
    const url = request.originalUrl ?? request.url;
    if (this.leading.get(url) === request) this.leading.delete(url);
  }

  private tell(): void {
    const [[difference] = ['']] = [...this.seen].sort(([, one], [, other]) => other - one);
    const { name, share } = this.route;
    const remedy =
      share === 'client'
        ? "State @SingleFlightShare('public') if everybody may have the same answer, @SingleFlightShare('user') if one " +
          'user may, or a @SingleFlightKey of what the answer depends on; @SkipSingleFlight() if none of them.'
        : 'Name in `vary` only the headers on which the answer depends, or make a @SingleFlightKey of them.';
    this.logger.warn(
      `${this.count} requests of ${name} came while another for the same URL was under way, and none of them could ` +
        `share its answer: they differ in ${difference}. Its share is '${share}'. ${remedy}`,
    );
  }
}
