import { SingleFlight } from 'nestjs-singleflight';

interface Filter {
  readonly id: string;
}

export class Parameters {
  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((id: number) => id)
  async wrongType(id: string) {
    return id;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((id: string, locale: number) => [id, locale])
  async wrongTypeOfTheSecond(id: string, locale: string) {
    return id + locale;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((locale: number, id: string) => [id, locale])
  async wrongOrder(id: string, locale: number) {
    return id + locale;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((id: string, locale: string) => [id, locale])
  async tooMany(id: string) {
    return id;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((id: string) => id)
  async noneToTake() {
    return 'all';
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((...ids: number[]) => ids)
  async wrongRest(...ids: string[]) {
    return ids;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((...ids: readonly number[]) => ids)
  async wrongReadonlyRest(...ids: readonly string[]) {
    return ids;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight(({ id }: { id: number }) => id)
  async wrongDestructuring(filter: Filter) {
    return filter;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight(({ tenant }: { tenant: string }) => tenant)
  async destructuredTooFar(filter: Filter) {
    return filter;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((entity: { id: number }) => entity.id)
  async wrongConstraint<T extends Filter>(entity: T): Promise<T> {
    return entity;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((id: number) => id)
  private async hidden(id: string) {
    return id;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight((id: number) => id)
  static async ofTheClass(id: string) {
    return id;
  }

  // @ts-expect-error: the key function must take the parameters of the method it decorates
  @SingleFlight<Parameters['wrongType']>((id) => id)
  async ofAnotherMethod(id: number) {
    return id;
  }

  // @ts-expect-error: Target signature provides too few arguments
  @SingleFlight<Parameters['ofANamedMethod']>((id: string, locale: string) => [id, locale])
  async ofANamedMethod(id: string) {
    return id;
  }

  uses = () => this.hidden('1');
}

export class OfAGenericClass<T extends Filter> {
  // @ts-expect-error: KeyTakesOtherParameters
  @SingleFlight((entity: Filter) => entity.id)
  async reload(entity: T): Promise<T> {
    return entity;
  }
}

export class NotAsync {
  // @ts-expect-error: the method must return a Promise: make it async
  @SingleFlight((id: string) => id)
  value(id: string) {
    return id;
  }

  // @ts-expect-error: the method must return a Promise: make it async
  @SingleFlight((id: string) => id)
  nothing(id: string): void {
    void id;
  }

  // @ts-expect-error: the method must return a Promise: make it async
  @SingleFlight((id: string) => id)
  sometimes(id: string): Promise<string> | string {
    return id;
  }

  // @ts-expect-error: the method must return a Promise: make it async
  @SingleFlight((id: string) => id)
  async *generator(id: string) {
    yield id;
  }

  // @ts-expect-error: the method must return a Promise: make it async
  @SingleFlight((id) => String(id))
  unannotated(id: string) {
    return id;
  }

  // @ts-expect-error: does not satisfy the constraint 'AsyncMethod'
  @SingleFlight<(id: string) => string>((id) => id)
  async named(id: string) {
    return id;
  }
}

export class Keys {
  // @ts-expect-error: the key function must return a string, a number, or an array of them
  @SingleFlight((id: string) => ({ id }))
  async object(id: string) {
    return id;
  }

  // @ts-expect-error: the key function must return the key itself, not a Promise of it
  @SingleFlight(async (id: string) => id)
  async promise(id: string) {
    return id;
  }

  // @ts-expect-error: the key function must return a string, a number, or an array of them
  @SingleFlight((id: string) => Symbol(id))
  async symbol(id: string) {
    return id;
  }

  // @ts-expect-error: the key function must return a string, a number, or an array of them
  @SingleFlight((date: Date) => date)
  async date(date: Date) {
    return date;
  }

  // @ts-expect-error: the key function must return a string, a number, or an array of them
  @SingleFlight((ids: Set<string>) => ids)
  async set(ids: Set<string>) {
    return ids;
  }

  // @ts-expect-error: the key function must return a string, a number, or an array of them
  @SingleFlight((id: string) => () => id)
  async function(id: string) {
    return id;
  }

  // @ts-expect-error: the key function must return a string, a number, or an array of them
  @SingleFlight((filter: Filter) => ['products', filter])
  async objectInsideAnArray(filter: Filter) {
    return filter;
  }

  // @ts-expect-error: is not assignable to type 'KeyResult'
  @SingleFlight<Keys['ofANamedMethod']>((filter) => filter)
  async ofANamedMethod(filter: Filter) {
    return filter;
  }
}

export class Uses {
  // @ts-expect-error: Expected 1-2 arguments, but got 0
  @SingleFlight()
  async noKey(id: string) {
    return id;
  }

  // @ts-expect-error: Unable to resolve signature of method decorator
  @SingleFlight
  async notCalled(id: string) {
    return id;
  }

  // @ts-expect-error: Argument of type 'string' is not assignable
  @SingleFlight('id')
  async keyWithoutAFunction(id: string) {
    return id;
  }

  // @ts-expect-error: 'waitTimeout' does not exist in type 'SingleFlightOptions'
  @SingleFlight((id: string) => id, { waitTimeout: 500 })
  async unknownOption(id: string) {
    return id;
  }

  // @ts-expect-error: 'signal' does not exist in type 'SingleFlightOptions'
  @SingleFlight((id: string) => id, { signal: AbortSignal.timeout(1) })
  async signal(id: string) {
    return id;
  }

  // @ts-expect-error: Type '"app"' is not assignable to type
  @SingleFlight((id: string) => id, { scope: 'app' })
  async wrongScope(id: string) {
    return id;
  }

  // @ts-expect-error: Type 'string' is not assignable to type 'number
  @SingleFlight((id: string) => id, { lingerMs: '50' })
  async wrongDuration(id: string) {
    return id;
  }

  // @ts-expect-error: Unable to resolve signature of property decorator
  @SingleFlight((id: string) => id)
  field = async (id: string) => id;
}

// @ts-expect-error: Unable to resolve signature of class decorator
@SingleFlight(() => 'all')
export class Decorated {}
