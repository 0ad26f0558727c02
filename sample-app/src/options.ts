import { parseArgs, type ParseArgsConfig } from 'node:util';
import { reasonOf } from './reason.js';
import { StartupError } from './startup-error.js';

export interface Options {
  readonly help: boolean;
  /** Play the breakdown and exit, instead of going on serving. */
  readonly once: boolean;
  /** How many requests meet the expired key at once. */
  readonly requests: number;
  /** 0 takes any free port. */
  readonly port: number;
  /** Where the embedded PostgreSQL keeps its data. */
  readonly dataFolder: string | undefined;
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
}

/** What the demonstration of a fleet takes. */
export type FleetDemoOptions = Pick<Options, 'help' | 'requests' | 'dataFolder' | 'databaseUrl' | 'redisUrl'> & {
  readonly processes: number;
};

const MOST_REQUESTS = 10_000;
const MOST_PROCESSES = 16;

export const HELP = `A product catalogue whose hottest cache key expires under load, with and without nestjs-singleflight.

  npm start                      seed, serve, play the breakdown, go on serving
  npm run demo -- --once         play the breakdown and exit

Options
  --once                         exit after the breakdown
  --requests <n>                 concurrent requests, 1 to ${MOST_REQUESTS} (200)
  --port <n>                     port to listen on, 0 for any free one (3000)
  --help                         this page

Environment
  PORT                           as --port
  DATABASE_URL                   a PostgreSQL of yours; a schema singleflight_sample is made in it
  REDIS_URL                      a Redis or Valkey of yours as the cache (default: in memory)
  SAMPLE_DATA_DIR                where the embedded PostgreSQL keeps its data (default: sample-app/data)
`;

export const FLEET_HELP = `A hot key that expires in many processes at once, without a fleet, with one, and with its leader killed.

  npm run demo:fleet -- --processes 4

Options
  --processes <n>                processes, 2 to ${MOST_PROCESSES} (4)
  --requests <n>                 concurrent requests to each, 1 to ${MOST_REQUESTS} (50)
  --help                         this page

Environment
  DATABASE_URL, SAMPLE_DATA_DIR  as for npm start
  REDIS_URL                      a Redis or Valkey of yours (default: redis-server is started, and stopped again)
`;

export function readFleetOptions(args: readonly string[], environment: NodeJS.ProcessEnv): FleetDemoOptions {
  const {
    help,
    processes = '4',
    requests = '50',
  } = parse(args, {
    help: { type: 'boolean', short: 'h', default: false },
    processes: { type: 'string' },
    requests: { type: 'string' },
  });
  return {
    help,
    processes: whole(processes, '--processes', 2, MOST_PROCESSES),
    requests: whole(requests, '--requests', 1, MOST_REQUESTS),
    ...backendsIn(environment),
  };
}

export function readOptions(args: readonly string[], environment: NodeJS.ProcessEnv): Options {
  const values = parse(args, {
    help: { type: 'boolean', short: 'h', default: false },
    once: { type: 'boolean', default: false },
    requests: { type: 'string' },
    port: { type: 'string' },
  });
  const port = values.port ?? given(environment.PORT);
  return {
    help: values.help,
    once: values.once,
    requests: values.requests === undefined ? 200 : whole(values.requests, '--requests', 1, MOST_REQUESTS),
    port: port === undefined ? 3000 : whole(port, values.port === undefined ? 'PORT' : '--port', 0, 65_535),
    ...backendsIn(environment),
  };
}

function backendsIn(environment: NodeJS.ProcessEnv): Pick<Options, 'dataFolder' | 'databaseUrl' | 'redisUrl'> {
  return {
    dataFolder: given(environment.SAMPLE_DATA_DIR),
    databaseUrl: url(environment.DATABASE_URL, 'DATABASE_URL', ['postgres:', 'postgresql:']),
    redisUrl: url(environment.REDIS_URL, 'REDIS_URL', ['redis:', 'rediss:']),
  };
}

function parse<const O extends NonNullable<ParseArgsConfig['options']>>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args: joinNegatives(args), options }).values;
  } catch (error) {
    throw new StartupError(`${reasonOf(error)}. Run with --help to see the options.`);
  }
}

/** `--requests -5` reads as two options to parseArgs; as one word it reaches the check that explains the range. */
function joinNegatives(args: readonly string[]): string[] {
  return args.reduce<string[]>((joined, arg) => {
    const last = joined.at(-1);
    if (/^-\d/.test(arg) && last?.startsWith('--') === true && !last.includes('='))
      joined.push(`${joined.pop() ?? ''}=${arg}`);
    else joined.push(arg);
    return joined;
  }, []);
}

function whole(text: string, name: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new StartupError(`${name} must be a whole number from ${least} to ${most}, not "${text}".`);
}

function url(text: string | undefined, name: string, protocols: readonly string[]): string | undefined {
  const value = given(text);
  if (value === undefined) return undefined;
  // The value itself may hold a password: it is not printed.
  if (URL.canParse(value) && protocols.includes(new URL(value).protocol)) return value;
  throw new StartupError(
    `${name} must be a URL that starts with ${protocols.map((known) => `${known}//`).join(' or ')}.`,
  );
}

/** An empty variable is an unset one. */
function given(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === '' ? undefined : value;
}
