import type { Observable } from 'rxjs';
import { SingleFlight, singleFlightOf, type DecoratedFlights, type FlightInfo } from 'nestjs-singleflight';
import { same } from '../same.js';

class Products {
  @SingleFlight((id: number) => id)
  async find(id: number, locale: string) {
    return id + locale;
  }

  @SingleFlight((id?: number) => id ?? null)
  async optional(id?: number) {
    return id;
  }

  @SingleFlight((...ids: number[]) => ids)
  async rest(...ids: number[]) {
    return ids;
  }

  @SingleFlight(() => 'all')
  async all() {
    return [];
  }

  @SingleFlight((id: number) => id)
  observed(id: number): Observable<number> {
    throw new Error(String(id));
  }

  @SingleFlight((id: string) => id)
  static async ofTheClass(id: string) {
    return id;
  }

  rename(id: number) {
    return singleFlightOf(this, 'find').forget(id, 'en') && singleFlightOf(this, 'observed').forget(id);
  }
}

export class Private {
  @SingleFlight((id: number) => id)
  private async find(id: number) {
    return id;
  }

  rename(id: number) {
    void this.find(id);
    return singleFlightOf(this, 'find').forget(id);
  }
}

export class Repository<T extends { id: string }> {
  @SingleFlight((id: string) => id)
  async find(id: string, known: T) {
    return id ? known : undefined;
  }

  async rename(entity: T) {
    return singleFlightOf(this, 'find').forget(entity.id, entity);
  }
}

declare const products: Products;

export function fromOutside() {
  same<DecoratedFlights<[id: number, locale: string]>>()(singleFlightOf(products, 'find'));
  same<boolean>()(singleFlightOf(products, 'find').forget(42, 'en'));
  same<FlightInfo[]>()(singleFlightOf(products, 'find').inFlight());
  singleFlightOf(products, 'optional').forget();
  singleFlightOf(products, 'optional').forget(42);
  singleFlightOf(products, 'rest').forget(1, 2, 3);
  singleFlightOf(products, 'all').forget();
  singleFlightOf(products, 'observed').forget(42);
  singleFlightOf(Products, 'ofTheClass').forget('42');
}
