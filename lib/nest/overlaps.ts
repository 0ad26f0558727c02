import { Logger } from '@nestjs/common';
import { headerText, rawHeadersOf, type HttpRequest } from './http-exchange.js';
import { IGNORED_HEADERS } from './request-parts.js';
import type { Route } from './route.js';

/** So many requests have to overlap on a URL without one that merges before anybody is told. */
const TELLING = 10;

/**
 * Notices that a route's requests overlap on one URL and never merge, which is what the interceptor was put there for:
 * one warning names the header that tells them apart.
 */
export class Overlaps {
  /** How often which difference was seen. */
  private readonly seen = new Map<string, number>();
  private count = 0;
  private readonly logger = new Logger('SingleFlight');

  constructor(private readonly route: Route) {}

  /** Two requests for one URL are not equal. */
  found(one: HttpRequest, other: HttpRequest): void {
    const difference = differenceOf(one, other, this.route);
    if (difference === undefined) return;
    this.seen.set(difference, (this.seen.get(difference) ?? 0) + 1);
    if (++this.count < TELLING) return;
    this.tell();
    // There is nothing more to notice.
    this.route.overlaps = undefined;
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

/** In which respect two requests of one route and URL are not the same, by the name of a header or of what else counts. */
function differenceOf(one: HttpRequest, other: HttpRequest, route: Route): string | undefined {
  if (route.share !== 'client') {
    const name = route.vary.find((header) => headerText(one.headers[header]) !== headerText(other.headers[header]));
    return name === undefined ? undefined : `the header '${name}'`;
  }
  const [ofOne, ofOther] = [received(one), received(other)];
  const names = [one, other].flatMap(({ headers }) => Object.keys(headers));
  for (const name of new Set([...ofOne.keys(), ...ofOther.keys(), ...names])) {
    if (IGNORED_HEADERS.has(name)) continue;
    if (headerText(one.headers[name]) !== headerText(other.headers[name])) return `the header '${name}'`;
    if (ofOne.get(name) !== ofOther.get(name)) return `the header '${name}', as it was received`;
  }
  if (one.ip !== other.ip) return "the client's address";
  return one.protocol === other.protocol ? undefined : 'the protocol';
}

/** The headers as they came in, by their names. */
function received(request: HttpRequest): Map<string, string> {
  const byName = new Map<string, string>();
  const raw = rawHeadersOf(request);
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]?.toLowerCase() ?? '';
    byName.set(name, `${byName.get(name) ?? ''}\0${raw[i + 1] ?? ''}`);
  }
  return byName;
}
