// The interceptor pipeline without HTTP, where the difference can be read: Nest's own consumer of interceptors, with a
// request and a response as Express has them.
import 'reflect-metadata';
import { IncomingMessage, ServerResponse } from 'node:http';
import { InterceptorsConsumer } from '@nestjs/core/interceptors/interceptors-consumer.js';
import { lastValueFrom } from 'rxjs';
import { SingleFlightInterceptor, SingleFlightShare } from '../../../dist/esm/index.js';
import { THOROUGH, sideBySide } from '../measure.mjs';

export async function pipeline(settings = { ...THOROUGH, rounds: 15 }) {
  const alone = [
    { name: 'an empty interceptor', interceptor: { intercept: (_context, next) => next.handle() }, controller: bare() },
    { name: "'public', alone", interceptor: new SingleFlightInterceptor(), controller: sharing('public') },
    { name: "'client', alone", interceptor: new SingleFlightInterceptor(), controller: sharing('client') },
  ];
  const crowd = alone.map((lane) => ({ ...lane, name: lane.name.replace('alone', '100 on one key'), crowd: 100 }));
  const file = import.meta.url;
  return [
    ...(await sideBySide({ file, body: 'requests', lanes: alone, settings })),
    ...(await sideBySide({ file, body: 'requests', lanes: crowd, settings })).map((row) => ({
      ...row,
      name: row.name === 'an empty interceptor' ? 'an empty interceptor, 100 at once' : row.name,
    })),
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

export async function requests({ interceptor, controller, crowd = 1 }, calls) {
  const instance = new controller();
  let made = 0;
  for (; made < calls; made += crowd) {
    const url = `/products/${crowd === 1 ? made : 42}`;
    const answers = [];
    for (let i = 0; i < crowd; i++) answers.push(handle(interceptor, instance, url));
    await Promise.all(answers);
  }
  return { calls: made };
}

async function handle(interceptor, instance, url) {
  const request = requestOf(url);
  const response = new ServerResponse(request);
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

function requestOf(url) {
  const request = new IncomingMessage(undefined);
  request.method = 'GET';
  request.url = url;
  request.originalUrl = url;
  request.ip = '127.0.0.1';
  request.hostname = 'shop.example';
  request.protocol = 'http';
  request.headers = HEADERS;
  request.rawHeaders = RAW;
  return request;
}

const RAW = Object.entries(HEADERS).flat();
