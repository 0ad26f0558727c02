import { CacheInterceptor, CacheTTL } from '@nestjs/cache-manager';
import { Controller, Delete, Get, HttpCode, Param, UseInterceptors } from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
import { CACHE_TTL_MS } from '../cache/cache-ttl.js';
import { ProductIdPipe } from './product-id.pipe.js';
import type { ProductPage } from './product-page.js';
import { ProductPagesService } from './product-pages.service.js';

@Controller('products/:id')
export class ProductsController {
  constructor(private readonly pages: ProductPagesService) {}

  @Get('without')
  without(@Param('id', ProductIdPipe) id: number): Promise<ProductPage> {
    return this.pages.without(id);
  }

  @Get('with')
  with(@Param('id', ProductIdPipe) id: number): Promise<ProductPage> {
    return this.pages.with(id);
  }

  @Get('intercepted')
  @UseInterceptors(SingleFlightInterceptor, CacheInterceptor)
  @SingleFlightShare('public')
  @CacheTTL(CACHE_TTL_MS)
  intercepted(@Param('id', ProductIdPipe) id: number): Promise<ProductPage> {
    return this.pages.uncached('intercepted', id);
  }

  @Delete('cache')
  @HttpCode(204)
  expire(@Param('id', ProductIdPipe) id: number): Promise<void> {
    return this.pages.expire(id);
  }
}
