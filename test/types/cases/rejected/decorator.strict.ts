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
  // @ts-expect-error: an array that is a key must not hold undefined: write ?? null
  @SingleFlight((id: string) => [id, undefined])
  async undefinedInsideAnArray(id: string) {
    return id;
  }

  // @ts-expect-error: an array that is a key must not hold undefined: write ?? null
  @SingleFlight((filter: Filter) => [filter.id])
  async perhapsUndefinedInsideAnArray(filter: Filter) {
    return filter;
  }

  // @ts-expect-error: an array that is a key must not hold undefined: write ?? null
  @SingleFlight((filter: Filter) => ['products', ['of', filter.id]])
  async undefinedDeepInside(filter: Filter) {
    return filter;
  }

  // @ts-expect-error: annotate the parameters of the key function, as in (id: string) => id
  @SingleFlight((id) => id)
  async unannotated(id: string) {
    return id;
  }

  // @ts-expect-error: annotate the parameters of the key function, as in (id: string) => id
  @SingleFlight((id, locale) => [id, locale])
  async unannotatedInsideAnArray(id: string, locale: string) {
    return id + locale;
  }

  // @ts-expect-error: annotate the parameters of the key function, as in (id: string) => id
  @SingleFlight((tenant, id) => ['products', [tenant, id]], { lingerMs: 50 })
  async unannotatedDeepInside(tenant: string, id: string) {
    return tenant + id;
  }

  // @ts-expect-error: an array that is a key must not hold undefined: write ?? null
  @SingleFlight((id: string, locale?: string) => [id, locale])
  async optionalInsideAnArray(id: string, locale?: string) {
    return `${id} ${locale}`;
  }

  // @ts-expect-error: an array that is a key must not hold undefined: write ?? null
  @SingleFlight((id: string | undefined, fresh: boolean) => (fresh ? 'fresh' : [id]))
  async undefinedInsideAnArrayOrAlone(id: string | undefined, fresh: boolean) {
    return `${id} ${fresh}`;
  }
}
