import { SingleFlight, singleFlightOf } from 'nestjs-singleflight';

class Products {
  readonly name = 'products';

  @SingleFlight((id: number) => id)
  async find(id: number, locale: string) {
    return id + locale;
  }

  rename(id: string) {
    // @ts-expect-error: Argument of type 'string' is not assignable to parameter of type 'number'
    return singleFlightOf(this, 'find').forget(id, 'en');
  }
}

declare const products: Products;

export const flights = [
  // @ts-expect-error: Argument of type '"load"' is not assignable to parameter of type
  singleFlightOf(products, 'load'),
  // @ts-expect-error: Argument of type 'string' is not assignable to parameter of type 'number'
  singleFlightOf(products, 'find').forget('42', 'en'),
  // @ts-expect-error: Expected 2 arguments, but got 1
  singleFlightOf(products, 'find').forget(42),
  // @ts-expect-error: Expected 2 arguments, but got 3
  singleFlightOf(products, 'find').forget(42, 'en', 'more'),
  // @ts-expect-error: is not assignable to parameter of type 'never'
  singleFlightOf(products, 'name').forget('42'),
];
