import type { Observable } from 'rxjs';
import { SingleFlight } from 'nestjs-singleflight';
import { same } from '../same.js';

interface Product {
  readonly id: string;
  readonly price: number;
}

declare const product: Product;
declare const products: Observable<Product>;
declare const query: PromiseLike<Product>;

enum Locale {
  English = 'en',
  German = 'de',
}

export class AnnotatedKeys {
  @SingleFlight((id: string) => id)
  async allParameters(id: string): Promise<Product> {
    return { ...product, id };
  }

  @SingleFlight((id: string) => id)
  async fewerThanTheMethod(id: string, locale: string) {
    return `${id} ${locale}`;
  }

  @SingleFlight(() => 'all')
  async noneOfTheMethods(id: string) {
    return id;
  }

  @SingleFlight(() => 'all')
  async methodWithoutParameters() {
    return product;
  }

  @SingleFlight((id: string | number) => id)
  async widerThanTheMethod(id: string) {
    return id;
  }

  @SingleFlight((id?: string) => id ?? 'none')
  async optional(id?: string) {
    return id;
  }

  @SingleFlight((id: string, locale?: string) => [id, locale ?? null])
  async optionalWhereTheMethodRequires(id: string, locale: string) {
    return `${id} ${locale}`;
  }

  @SingleFlight((id: string = 'home') => id)
  async defaulted(id: string = 'home') {
    return id;
  }

  @SingleFlight((...ids: string[]) => ids)
  async rest(...ids: string[]) {
    return ids;
  }

  @SingleFlight((...ids: readonly string[]) => ids)
  async readonlyRest(...ids: readonly string[]) {
    return ids;
  }

  @SingleFlight((...ids: string[]) => ids)
  async restOverFixed(first: string, second: string) {
    return first + second;
  }

  @SingleFlight((first: string, ...others: number[]) => [first, others])
  async fixedAndRest(first: string, ...others: number[]) {
    return [first, ...others];
  }

  @SingleFlight(({ id }: { id: string }) => id)
  async destructured({ id, price }: Product) {
    return id + price;
  }

  @SingleFlight(([first, second]: [string, number]) => [first, second])
  async destructuredTuple(pair: [string, number]) {
    return pair;
  }

  @SingleFlight((id: unknown) => String(id))
  async generic<T>(id: T): Promise<T> {
    return id;
  }

  @SingleFlight((entity: { id: string }) => entity.id)
  async genericWithConstraint<T extends { id: string }>(entity: T): Promise<T> {
    return entity;
  }

  @SingleFlight((id: string) => id)
  private async hidden(id: string) {
    return id;
  }

  @SingleFlight((id: string) => id)
  protected async inherited(id: string) {
    return id;
  }

  @SingleFlight((id: string) => id)
  static async ofTheClass(id: string) {
    return id;
  }

  @SingleFlight((id: string) => id)
  async ['computed'](id: string) {
    return id;
  }

  @SingleFlight((id: string) => id)
  async withThis(this: AnnotatedKeys, id: string) {
    return this.hidden(id);
  }

  overloaded(id: string): Promise<string>;
  overloaded(id: string, locale: string): Promise<string>;
  @SingleFlight((id: string) => id)
  async overloaded(id: string, locale = 'en') {
    return id + locale;
  }

  @SingleFlight((id: any) => id)
  async anything(id: any): Promise<any> {
    return id;
  }

  @SingleFlight((id: any, locale: string) => ['of', [id, locale]])
  async anythingInsideAnArray(id: any, locale: string): Promise<any> {
    return [id, locale];
  }
}

export class ReturnedKeys {
  @SingleFlight((id: number) => id)
  async number(id: number) {
    return id;
  }

  @SingleFlight((id: bigint) => id)
  async bigint(id: bigint) {
    return id;
  }

  @SingleFlight((active: boolean) => active)
  async boolean(active: boolean) {
    return active;
  }

  @SingleFlight((locale: Locale) => locale)
  async enumeration(locale: Locale) {
    return locale;
  }

  @SingleFlight((tenant: string, id: number) => [tenant, id])
  async several(tenant: string, id: number) {
    return tenant + id;
  }

  @SingleFlight((tenant: string, ids: number[]) => [tenant, ids, [null, [true, 1n]]])
  async nested(tenant: string, ids: number[]) {
    return tenant + ids.length;
  }

  @SingleFlight((ids: readonly string[]) => ids)
  async readonlyArray(ids: readonly string[]) {
    return ids;
  }

  @SingleFlight((id: string) => ['product', id] as const)
  async tuple(id: string) {
    return id;
  }

  @SingleFlight((owner: string | null) => [owner])
  async nullInsideAnArray(owner: string | null) {
    return owner;
  }

  @SingleFlight((id: string, fresh: boolean) => (fresh ? undefined : id))
  async undefinedAlone(id: string, fresh: boolean) {
    return id + fresh;
  }

  @SingleFlight((id: string | null) => id)
  async nullAlone(id: string | null) {
    return id;
  }

  @SingleFlight((options: { id?: string }) => options.id)
  async perhapsUndefined(options: { id?: string }) {
    return options.id;
  }
}

export class UnannotatedKeys {
  @SingleFlight((id) => String(id))
  async one(id: string) {
    return id;
  }

  @SingleFlight((...ids) => JSON.stringify(ids))
  async rest(first: string, second: number) {
    return first + second;
  }

  @SingleFlight((id) => {
    same<unknown>()(id);
    return String(id);
  })
  async isUnknown(id: string) {
    return id;
  }
}

export class KeysOfANamedMethod {
  @SingleFlight<KeysOfANamedMethod['find']>((id, locale) => {
    same<number>()(id);
    same<string>()(locale);
    return [id, locale];
  })
  async find(id: number, locale: string) {
    return id + locale;
  }

  @SingleFlight<KeysOfANamedMethod['fewer']>((id) => id)
  async fewer(id: number, locale: string) {
    return id + locale;
  }

  @SingleFlight<KeysOfANamedMethod['optional']>((id) => id)
  async optional(id?: number) {
    return id;
  }

  @SingleFlight<KeysOfANamedMethod['rest']>((...ids) => ids)
  async rest(...ids: number[]) {
    return ids;
  }

  @SingleFlight<KeysOfANamedMethod['hidden']>((id) => id)
  private async hidden(id: string) {
    return id;
  }

  @SingleFlight<typeof KeysOfANamedMethod.ofTheClass>((id) => id)
  static async ofTheClass(id: string) {
    return id;
  }

  @SingleFlight<KeysOfANamedMethod['observed']>((id) => id)
  observed(id: string): Observable<Product> {
    void id;
    return products;
  }

  @SingleFlight<(id: string) => Promise<string>>((id) => id)
  async anotherTypeThatFits(id: string, locale: string) {
    return (await this.hidden(id)) + locale;
  }
}

export class KeysOfANamedTuple {
  @SingleFlight<[id: number, locale: string]>((id, locale) => [id, locale])
  async find(id: number, locale: string) {
    return id + locale;
  }
}

export class Results {
  @SingleFlight((id: string) => id)
  promise(id: string): Promise<Product> {
    return Promise.resolve({ ...product, id });
  }

  @SingleFlight((id: string) => id)
  promiseLike(id: string): PromiseLike<Product> {
    void id;
    return query;
  }

  @SingleFlight((id: string) => id)
  observable(id: string): Observable<Product> {
    void id;
    return products;
  }

  @SingleFlight((id: string) => id)
  either(id: string): Promise<Product> | Observable<Product> {
    return id ? products : Promise.resolve(product);
  }

  @SingleFlight((id: string) => id)
  async nothing(id: string): Promise<void> {
    void id;
  }

  @SingleFlight((id: string) => id)
  async neverReturns(id: string): Promise<never> {
    throw new Error(id);
  }

  @SingleFlight((id: string) => id)
  any(id: string): any {
    return id;
  }

  unchanged() {
    same<(id: string) => Promise<Product>>()(this.promise);
    same<(id: string) => Observable<Product>>()(this.observable);
  }
}

export class Repository<T extends { id: string }> {
  constructor(private readonly load: (id: string) => Promise<T>) {}

  @SingleFlight((id: string) => id)
  async find(id: string): Promise<T> {
    return this.load(id);
  }

  @SingleFlight((id: string) => id)
  async refresh(id: string, known: T): Promise<T> {
    return (await this.load(id)) ?? known;
  }

  @SingleFlight((entity: unknown) => JSON.stringify(entity))
  async reload(entity: T): Promise<T> {
    return this.load(entity.id);
  }
}

export class Products extends Repository<Product> {
  @SingleFlight((id: string) => id)
  override async find(id: string): Promise<Product> {
    return super.find(id);
  }
}

const options = { waitTimeoutMs: 500, lingerMs: 20 };
export const byId = SingleFlight((id: string) => id, options);

export class Options {
  @SingleFlight((id: string) => id, {})
  async none(id: string) {
    return id;
  }

  @SingleFlight((id: string) => id, {
    joinWindowMs: 1_000,
    flightTimeoutMs: 2_000,
    lingerMs: 50,
    waitTimeoutMs: 500,
    group: 'products',
    scope: 'class',
  })
  async all(id: string) {
    return id;
  }

  @SingleFlight<Options['ofANamedMethod']>((id) => id, { scope: 'instance' })
  async ofANamedMethod(id: string) {
    return id;
  }

  @SingleFlight((id: string) => id, {
    joinWindowMs: undefined,
    flightTimeoutMs: undefined,
    lingerMs: undefined,
    waitTimeoutMs: undefined,
    group: undefined,
    scope: undefined,
  })
  async asIfNotGiven(id: string) {
    return id;
  }

  @byId
  async keptInAConstant(id: string) {
    return id;
  }
}
