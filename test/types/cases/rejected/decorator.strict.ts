import { SingleFlight } from 'nestjs-singleflight';

interface Filter {
  readonly id?: string;
}

export class Parameters {
  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((id: string) => id)
  async optional(id?: string) {
    return id;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((id: string) => id)
  async nullable(id: string | null) {
    return id;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((locale: 'en' | 'de') => locale)
  async narrower(locale: string) {
    return locale;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((id: string) => id)
  async generic<T>(id: T): Promise<T> {
    return id;
  }
}

export class NotAsync {
  // @ts-expect-error: the method must return a Promise: make it async
  @SingleFlight((id: string) => id)
  perhaps(id: string): Promise<string> | undefined {
    return id ? Promise.resolve(id) : undefined;
  }
}

export class Keys {
  // @ts-expect-error: Type 'undefined' is not assignable to type 'FlightKeyPart'
  @SingleFlight((id: string) => [id, undefined])
  async undefinedInsideAnArray(id: string) {
    return id;
  }

  // @ts-expect-error: Type 'undefined' is not assignable to type 'FlightKeyPart'
  @SingleFlight((filter: Filter) => [filter.id])
  async perhapsUndefinedInsideAnArray(filter: Filter) {
    return filter;
  }

  // @ts-expect-error: Type 'undefined' is not assignable to type 'FlightKeyPart'
  @SingleFlight((filter: Filter) => ['products', ['of', filter.id]])
  async undefinedDeepInside(filter: Filter) {
    return filter;
  }

  // @ts-expect-error: Type 'unknown' is not assignable to type 'KeyResult'
  @SingleFlight((id) => id)
  async unannotated(id: string) {
    return id;
  }

  // @ts-expect-error: Type 'unknown' is not assignable to type 'FlightKeyPart'
  @SingleFlight((id, locale) => [id, locale])
  async unannotatedInsideAnArray(id: string, locale: string) {
    return id + locale;
  }
}
