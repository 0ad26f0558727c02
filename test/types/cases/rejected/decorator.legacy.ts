import { SingleFlight } from 'nestjs-singleflight';

export class Accessors {
  // @ts-expect-error: only a method can be decorated
  @SingleFlight(() => 'all')
  get getter() {
    return 'all';
  }

  // @ts-expect-error: only a method can be decorated
  @SingleFlight(() => 'all')
  get getterOfAPromise() {
    return Promise.resolve('all');
  }

  // @ts-expect-error: only a method can be decorated
  @SingleFlight(() => 'all')
  set setter(value: string) {
    void value;
  }

  // @ts-expect-error: Unable to resolve signature of property decorator
  @SingleFlight(() => 'all')
  accessor automatic = 'all';

  find(
    // @ts-expect-error: Unable to resolve signature of parameter decorator
    @SingleFlight(() => 'all') id: string,
  ) {
    return Promise.resolve(id);
  }
}
