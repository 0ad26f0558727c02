import { CACHE_MANAGER } from '@nestjs/cache-manager';
import type { Cache } from '@nestjs/cache-manager';
import { Inject, Injectable, NotFoundException } from '@nestjs/common';
import { SingleFlight } from 'nestjs-singleflight';
import { CACHE_TTL_MS } from '../cache/cache-ttl.js';
import type { ProductPage } from '../catalogue/product-page.js';
import { ProductRepository } from '../catalogue/product.repository.js';
import { tellParent } from './messages.js';

/** The catalogue's page in each of many processes, whose caches are their own. */
@Injectable()
export class FleetPagesService {
  constructor(
    @Inject(CACHE_MANAGER) private readonly cache: Cache,
    private readonly products: ProductRepository,
  ) {}

  /** Coalesced in this process. */
  @SingleFlight((id: number) => id)
  alone(id: number): Promise<ProductPage> {
    return this.cached(id);
  }

  /** Coalesced in all processes: the same line with a name. */
  @SingleFlight((id: number) => id, { fleet: 'catalogue.page' })
  together(id: number): Promise<ProductPage> {
    return this.cached(id);
  }

  async expire(): Promise<void> {
    await this.cache.clear();
  }

  private async cached(id: number): Promise<ProductPage> {
    const found = await this.cache.get<ProductPage>(String(id));
    if (found !== undefined) return found;
    tellParent({ kind: 'query' });
    const page = await this.products.page(id, 'with');
    if (page === undefined) throw new NotFoundException(`There is no product ${id}.`);
    await this.cache.set(String(id), page, CACHE_TTL_MS);
    return page;
  }
}
