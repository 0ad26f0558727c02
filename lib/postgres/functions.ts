import type { Names, Verb } from './names.js';

/** How many rows that are over a new leader clears away: more than one flight leaves behind. */
const SWEPT = 8;

/*
 * One function per verb, so one round trip, and one transaction that no process can leave open. Each takes the lock of
 * its id first: under READ COMMITTED every statement after that sees all that those before it have committed, so what
 * follows reads like a program that is alone. Rows are locked as well, because somebody who clears away what is over
 * does not have the lock of its id. Time is read once, after the lock.
 */

export function joinFunction(names: Names): string {
  const { table, sequence } = names;
  const parameters =
    'p_id text, p_token text, p_lease_ms float8, p_since bigint, p_take boolean, p_max_age_ms float8, ' +
    'OUT role text, OUT flight bigint, OUT rest_ms float8, OUT result bytea';
  return verb(names, 'join', parameters, {
    variables: ['v_lease interval', ...['v_current', 'v_old', 'v_followed', 'v_ended'].map((row) => `${row} ${table}`)],
    body: `
  v_lease := p_lease_ms * interval '1 millisecond';
  SELECT * INTO v_current FROM ${table}
    WHERE id = p_id AND NOT forgotten AND leased_until > v_now ORDER BY fence DESC LIMIT 1 FOR UPDATE;
  IF v_current.token = p_token THEN
    role := 'leader'; flight := v_current.fence;
    RETURN;
  END IF;

  v_followed := v_current;
  IF p_since IS NOT NULL THEN
    SELECT * INTO v_old FROM ${table} WHERE id = p_id AND fence = p_since FOR UPDATE;
    IF v_old.kept_until > v_now THEN
      role := 'settled'; flight := p_since; result := v_old.payload;
      RETURN;
    END IF;
    IF v_old.leased_until > v_now THEN v_followed := v_old; END IF;
  END IF;
  IF v_followed.fence IS NOT NULL THEN
    IF NOT p_token = ANY (v_followed.waiting) THEN
      UPDATE ${table} SET waiting = waiting || p_token WHERE id = p_id AND fence = v_followed.fence;
    END IF;
    role := 'follower'; flight := v_followed.fence;
    rest_ms := extract(epoch FROM v_followed.leased_until - v_now) * 1000;
    RETURN;
  END IF;

  SELECT * INTO v_ended FROM ${table}
    WHERE id = p_id AND NOT forgotten AND ended_at IS NOT NULL
      AND (p_since IS NULL OR (fence >= p_since AND kept_until > v_now))
    ORDER BY fence DESC LIMIT 1;
  IF v_ended.kept_until > v_now AND (p_since IS NOT NULL OR (v_ended.lingers_until > v_now
      AND (p_max_age_ms IS NULL OR v_now - v_ended.ended_at < p_max_age_ms * interval '1 millisecond'))) THEN
    role := 'settled'; flight := v_ended.fence; result := v_ended.payload;
    RETURN;
  END IF;

  IF NOT p_take AND p_since IS NOT NULL THEN
    INSERT INTO ${table} AS known (id, fence, waiting, expires)
      VALUES (p_id, p_since, ARRAY[p_token], v_now + 2 * v_lease)
      ON CONFLICT (id, fence) DO UPDATE SET
        waiting = array_remove(known.waiting, p_token) || p_token, expires = greatest(known.expires, excluded.expires);
    role := 'orphan';
    RETURN;
  END IF;

  IF NOT EXISTS (SELECT FROM ${table} WHERE id = '' AND fence = 0) THEN
    -- the data is lost, or this is the first leader of all
    PERFORM pg_advisory_xact_lock(hashtextextended('', ${names.seed}));
    IF NOT EXISTS (SELECT FROM ${table} WHERE id = '' AND fence = 0) THEN
      PERFORM setval('${sequence}', greatest(
        nextval('${sequence}'), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint));
      INSERT INTO ${table} (id, fence, expires) VALUES ('', 0, 'infinity');
    END IF;
  END IF;
  -- so that a clock that is set back gives no old lease a second life
  UPDATE ${table} SET leased_until = '-infinity' WHERE id = p_id AND NOT forgotten AND leased_until > '-infinity';
  role := 'leader';
  flight := greatest(nextval('${sequence}'), p_since + 1, (SELECT max(fence) + 1 FROM ${table} WHERE id = p_id));
  INSERT INTO ${table} (id, fence, token, leased_until, expires)
    VALUES (p_id, flight, p_token, v_now + v_lease, v_now + 2 * v_lease);
  WITH over AS MATERIALIZED (
    SELECT id, fence FROM ${table} WHERE expires <= v_now ORDER BY expires LIMIT ${SWEPT} FOR UPDATE SKIP LOCKED
  )
  DELETE FROM ${table} AS known USING over WHERE known.id = over.id AND known.fence = over.fence;`,
  });
}

export function renewFunction(names: Names): string {
  const { table } = names;
  const parameters = 'p_id text, p_token text, p_fence bigint, p_lease_ms float8, p_inside boolean, OUT answer text';
  return verb(names, 'renew', parameters, {
    variables: ['v_lease interval', `v_led ${table}`],
    body: `
  v_lease := p_lease_ms * interval '1 millisecond';
  SELECT * INTO v_led FROM ${table} WHERE id = p_id AND fence = p_fence FOR UPDATE;
  IF v_led.token = p_token AND v_led.leased_until > v_now THEN
    UPDATE ${table} SET leased_until = v_now + v_lease, expires = v_now + 2 * v_lease
      WHERE id = p_id AND fence = p_fence;
    answer := 'held';
    RETURN;
  END IF;

  answer := 'lost';
  IF NOT p_inside OR v_led.token <> p_token OR v_led.ended_at IS NOT NULL
    OR EXISTS (SELECT FROM ${table} WHERE id = p_id AND CASE WHEN forgotten THEN fence >= p_fence
      ELSE leased_until > v_now OR (fence > p_fence AND kept_until > v_now) END) THEN
    RETURN;
  END IF;
  INSERT INTO ${table} AS known (id, fence, token, leased_until, expires)
    VALUES (p_id, p_fence, p_token, v_now + v_lease, v_now + 2 * v_lease)
    ON CONFLICT (id, fence) DO UPDATE SET
      token = excluded.token, leased_until = excluded.leased_until, expires = greatest(known.expires, excluded.expires);
  answer := 'reclaimed';`,
  });
}

export function completeFunction(names: Names): string {
  const { table } = names;
  const parameters =
    'p_id text, p_token text, p_fence bigint, p_payload bytea, p_retain_ms float8, p_linger_ms float8, ' +
    'p_inside boolean, p_retain boolean, OUT answer text';
  return verb(names, 'complete', parameters, {
    variables: ['v_kept_until timestamptz', `v_led ${table}`],
    body: `
  SELECT * INTO v_led FROM ${table} WHERE id = p_id AND fence = p_fence FOR UPDATE;
  IF v_led.ended_at IS NOT NULL THEN
    answer := CASE WHEN v_led.token = p_token THEN 'published' ELSE 'lost' END;
    RETURN;
  END IF;
  IF (v_led.token = p_token AND v_led.leased_until > v_now) IS NOT TRUE AND (NOT p_inside OR v_led.token <> p_token
    OR EXISTS (SELECT FROM ${table} WHERE id = p_id AND NOT forgotten
      AND (leased_until > v_now OR (fence > p_fence AND kept_until > v_now)))) THEN
    answer := 'lost';
    RETURN;
  END IF;

  v_kept_until := v_now + p_retain_ms * interval '1 millisecond';
  INSERT INTO ${table} AS known (id, fence, token, ended_at, kept_until, lingers_until, payload, expires)
    VALUES (p_id, p_fence, p_token, v_now, CASE WHEN p_retain THEN v_kept_until END,
      CASE WHEN p_linger_ms > 0 THEN v_now + p_linger_ms * interval '1 millisecond' END, p_payload, v_kept_until)
    ON CONFLICT (id, fence) DO UPDATE SET
      token = excluded.token, leased_until = '-infinity', waiting = '{}', ended_at = excluded.ended_at,
      kept_until = excluded.kept_until, payload = excluded.payload, expires = excluded.expires,
      lingers_until = CASE WHEN NOT known.forgotten THEN excluded.lingers_until END;
  IF cardinality(v_led.waiting) > 0 THEN ${tell(names, 's', 'p_fence')} END IF;
  answer := 'published';`,
  });
}

export function abandonFunction(names: Names): string {
  const { table } = names;
  const parameters = 'p_id text, p_token text, p_fence bigint, p_unless_waiting boolean, OUT answer text';
  return verb(names, 'abandon', parameters, {
    variables: [`v_found ${table}`],
    body: `
  answer := 'abandoned';
  IF p_fence IS NOT NULL THEN
    SELECT * INTO v_found FROM ${table} WHERE id = p_id AND fence = p_fence FOR UPDATE;
  ELSE
    SELECT * INTO v_found FROM ${table}
      WHERE id = p_id AND NOT forgotten AND leased_until > v_now ORDER BY fence DESC LIMIT 1 FOR UPDATE;
  END IF;
  IF (v_found.token = p_token AND v_found.leased_until > v_now) IS NOT TRUE THEN
    IF p_token = ANY (v_found.waiting) THEN
      UPDATE ${table} SET waiting = array_remove(waiting, p_token) WHERE id = p_id AND fence = v_found.fence;
    END IF;
    RETURN;
  END IF;
  IF p_unless_waiting AND cardinality(v_found.waiting) > 0 THEN
    answer := 'waiting';
    RETURN;
  END IF;
  DELETE FROM ${table} WHERE id = p_id AND fence = v_found.fence;
  IF cardinality(v_found.waiting) > 0 THEN ${tell(names, 'a', 'v_found.fence')} END IF;`,
  });
}

export function forgetFunction(names: Names): string {
  const { table } = names;
  return verb(names, 'forget', 'p_id text, OUT flight bigint', {
    variables: [],
    body: `
  UPDATE ${table} SET lingers_until = NULL WHERE id = p_id AND lingers_until IS NOT NULL;
  UPDATE ${table} SET forgotten = true WHERE id = p_id AND NOT forgotten AND leased_until > v_now
    RETURNING fence INTO flight;
  IF flight IS NOT NULL THEN ${tell(names, 'f', 'flight')} END IF;`,
  });
}

/** A message names a flight and what may have become of it; whoever knows the flight looks at its row. */
function tell({ channel }: Names, kind: string, fence: string): string {
  return `PERFORM pg_notify('${channel}', '${kind}|' || p_id || '|' || ${fence});`;
}

interface Program {
  readonly variables: readonly string[];
  readonly body: string;
}

function verb(names: Names, name: Verb, parameters: string, { variables, body }: Program): string {
  return `CREATE OR REPLACE FUNCTION ${names.verb(name)}(${parameters}) LANGUAGE plpgsql AS $verb$
DECLARE
${['v_now timestamptz', ...variables].map((variable) => `  ${variable};`).join('\n')}
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(p_id, ${names.seed}));
  v_now := clock_timestamp();${body}
END
$verb$;`;
}
