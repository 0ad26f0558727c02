import { CACHE_MANAGER } from '@nestjs/cache-manager';
import type { Cache } from '@nestjs/cache-manager';
import { Inject, Injectable, NotFoundException } from '@nestjs/common';
import { SingleFlight } from 'nestjs-singleflight';
import { CACHE_TTL_MS } from '../cache/cache-ttl.js';
import type { ProductPage } from './product-page.js';
import { ProductRepository } from './product.repository.js';
import type { Route } from './product.repository.js';

@Injectable()
export class ProductPagesService {
  constructor(
    @Inject(CACHE_MANAGER) private readonly cache: Cache,
    private readonly products: ProductRepository,
  ) {}

  without(id: number): Promise<ProductPage> {
    return this.cached('without', id);
  }

  @SingleFlight((id: number) => id)
  with(id: number): Promise<ProductPage> {
    return this.cached('with', id);
  }

  async uncached(route: Route, id: number): Promise<ProductPage> {
    const page = await this.products.page(id, route);
    if (page === undefined) throw new NotFoundException(`There is no product ${id}.`);
    return page;
  }

  /** All three entries of a product go, as if their time had run out. */
  async expire(id: number): Promise<void> {
    await this.cache.mdel([keyOf('without', id), keyOf('with', id), keyOf('intercepted', id)]);
  }

  /** Cache-aside: whoever finds the entry expired asks the database and fills it again. */
  private async cached(route: Route, id: number): Promise<ProductPage> {
    const found = await this.cache.get<ProductPage>(keyOf(route, id));
    if (found !== undefined) return found;
    const page = await this.uncached(route, id);
    await this.cache.set(keyOf(route, id), page, CACHE_TTL_MS);
    return page;
  }
}

/** A key of its own for each route, so that none warms another's cache; CacheInterceptor's key is the URL as well. */
function keyOf(route: Route, id: number): string {
  return `/products/${id}/${route}`;
}
