import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADDRESS_ROWS } from './support/leak-addresses.js';
import { HEADER_ROWS } from './support/leak-headers.js';
import type { Outcome, Part, Row } from './support/leak-row.js';
import { SHARES, startApps, type App, type Share } from './support/leaks.js';
import {
  burstOn,
  closeServers,
  PLATFORMS,
  type Asked,
  type Platform,
  type Reply,
  type TestServer,
} from './support/server.js';

/** What a client gets, as far as it may depend on who asks. */
const gotBy = ({ status, body, headers }: Reply): object => {
  return { status, body, seen: headers['x-seen'], cookie: headers['set-cookie'] };
};

const ROWS = [...HEADER_ROWS, ...ADDRESS_ROWS];

it('is a table of many rows, no two of one name', () => {
  expect(new Set(ROWS.map(({ what }) => what)).size).toBe(ROWS.length);
  expect(ROWS.length).toBeGreaterThanOrEqual(90);
});

const rowsOf = (share: Share, platform: Platform): (readonly [string, Row, Outcome])[] =>
  ROWS.filter(({ only }) => only === undefined || only === platform).map((row) => {
    const [outcome, why] = row.expected[share].split(': ', 2) as [Outcome, string];
    return [`${row.what}: ${outcome}, because: ${why}`, row, outcome];
  });

describe.each(PLATFORMS)('Two requests that differ, on %s', (platform) => {
  let apps: Readonly<Record<App, TestServer>>;
  beforeAll(async () => {
    apps = await startApps(platform);
  });
  afterAll(closeServers);

  describe.each(SHARES)("with '%s'; in", (share) => {
    const ask = ({ origin = '', path = 'plain', ...rest }: Part): Asked => ({
      path: `${origin}/${share}/${path}`,
      ...rest,
    });

    const check = async (_what: string, row: Row, outcome: Outcome): Promise<void> => {
      const [app = 'plain', otherApp = app] = row.apps ?? [];
      const one = [apps[app], ask(row.one)] as const;
      const other = [apps[otherApp], ask(row.other)] as const;
      const servers = [...new Set([apps[app], apps[otherApp]])];
      const bypassed = (): number => servers.reduce((sum, server) => sum + server.stats().bypassed, 0);
      const before = bypassed();

      const { runs, replies } = await burstOn([one, other, one, other], () => undefined);
      const wentAlone = bypassed() - before;
      const got = replies.map(gotBy);
      // What each of them gets when nobody else asks.
      const own = gotBy((await burstOn([one], () => undefined)).replies[0]!);
      const others = gotBy((await burstOn([other], () => undefined)).replies[0]!);
      // Else nothing could be seen of a leak.
      if (row.alike !== true) expect(own).not.toEqual(others);
      expect(own).toMatchObject({ status: 200 });
      expect(others).toMatchObject({ status: 200 });

      if (outcome === 'shared') {
        expect([own, others]).toContainEqual(got[0]);
        expect(got).toEqual(new Array(4).fill(got[0]));
      } else {
        expect(got).toEqual([own, others, own, others]);
      }
      const alone = row.late?.includes(share) === true ? 0 : 4;
      expect({ runs, wentAlone }).toEqual(
        {
          'own flight': { runs: 2, wentAlone: 0 },
          shared: { runs: 1, wentAlone: 0 },
          alone: { runs: 4, wentAlone: alone },
          'one alone': { runs: 3, wentAlone: 2 },
        }[outcome],
      );
      for (const server of servers) {
        expect(server.flights.inFlight()).toEqual([]);
        expect(server.flights.group.size).toBe(0);
      }
    };

    it.each(rowsOf(share, platform))('%s', check);
  });
});
