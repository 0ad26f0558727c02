import { SingleFlight } from 'nestjs-singleflight';

export class Accessors {
  // @ts-expect-error: the method must return a Promise: make it async
  @SingleFlight(() => 'all')
  get getter() {
    return 'all';
  }

  // @ts-expect-error: Type '"getter"' is not assignable to type '"method"'
  @SingleFlight(() => 'all')
  get getterOfAPromise() {
    return Promise.resolve('all');
  }

  // @ts-expect-error: the method must return a Promise: make it async
  @SingleFlight(() => 'all')
  set setter(value: string) {
    void value;
  }

  // @ts-expect-error: Unable to resolve signature of property decorator
  @SingleFlight(() => 'all')
  accessor automatic = 'all';
}
