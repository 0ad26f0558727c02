// The interceptor pipeline without HTTP, where the difference can be read: Nest's own consumer of interceptors, with a
// request and a response as Express has them.
import 'reflect-metadata';
import { IncomingMessage, ServerResponse } from 'node:http';
import { InterceptorsConsumer } from '@nestjs/core/interceptors/interceptors-consumer.js';
import { lastValueFrom } from 'rxjs';
import { SingleFlightInterceptor, SingleFlightShare } from '../../../dist/esm/index.js';
import { ByHandInterceptor } from '../http/by-hand.mjs';
import { sideBySide } from '../measure.mjs';

const file = import.meta.url;

export async function measureRow(settings) {
  const lanes = (crowd) => [
    {
      name: 'an empty interceptor',
      interceptor: { intercept: (_context, next) => next.handle() },
      controller: bare(),
      crowd,
    },
    { name: 'by hand', interceptor: new ByHandInterceptor(), controller: bare(), crowd },
    { name: "'public'", interceptor: new SingleFlightInterceptor(), controller: sharing('public'), crowd },
    { name: "'client'", interceptor: new SingleFlightInterceptor(), controller: sharing('client'), crowd },
  ];
  const alone = await sideBySide({ file, body: 'requests', lanes: lanes(1), settings });
  const together = await sideBySide({ file, body: 'requests', lanes: lanes(100), settings });
  return [
    { id: 'interceptor', title: 'the interceptor, nobody joins', entries: alone },
    { id: 'interceptor-crowd', title: 'the interceptor, 100 requests on one key, per request', entries: together },
  ];
}

function bare() {
  return class Products {
    async find() {
      return { id: 42 };
    }
  };
}

function sharing(share) {
  const Products = bare();
  SingleFlightShare(share)(Products);
  return Products;
}

const HEADERS = {
  host: 'shop.example',
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36',
  accept: 'text/html,application/json',
  'accept-language': 'en',
  'accept-encoding': 'gzip, deflate, br',
  cookie: 'session=0123456789abcdef',
  'x-request-id': '0123456789abcdef',
};
const consumer = new InterceptorsConsumer();
/** So many requests come in one turn of the event loop; then it turns over, as a server's does. */
const PER_TURN = 100;

export async function requests({ interceptor, controller, crowd = 1 }, calls) {
  const instance = new controller();
  let made = 0;
  for (; made < calls; made += PER_TURN) {
    for (let i = 0; i < PER_TURN; i += crowd) {
      const answers = [];
      for (let j = 0; j < crowd; j++) {
        answers.push(handle(interceptor, instance, i + j, `/products/${crowd === 1 ? made + i : 42}`));
      }
      await Promise.all(answers);
    }
    await new Promise(setImmediate);
  }
  return { calls: made };
}

async function handle(interceptor, instance, place, url) {
  const request = new Request(url, headers[place]);
  const response = responses[place];
  const next = async () => instance.find();
  const answer = await consumer.intercept(
    [interceptor],
    [request, response, undefined],
    instance,
    instance.find,
    next,
    'http',
  );
  return lastValueFrom(answer);
}

const RAW = Object.entries(HEADERS).flat();

/** As Express hands it on, and as young: what the server itself needs for it is left out. */
class Request {
  method = 'GET';
  ip = '127.0.0.1';
  hostname = 'shop.example';
  protocol = 'http';
  rawHeaders = RAW;

  constructor(url, headers) {
    this.url = url;
    this.originalUrl = url;
    this.headers = headers;
  }
}
Object.setPrototypeOf(Request.prototype, IncomingMessage.prototype);

/** Made beforehand, as a server makes them whoever stands in between. */
const headers = Array.from({ length: PER_TURN }, () => ({ ...HEADERS }));
const responses = headers.map(() => new ServerResponse(new IncomingMessage(undefined)));
