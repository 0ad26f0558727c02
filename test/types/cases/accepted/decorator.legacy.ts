import { Controller, Get, Header, Injectable, Param, Query, UseGuards } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { SingleFlight } from 'nestjs-singleflight';

declare const products: Observable<string>;

@Injectable()
export class Guard {
  canActivate() {
    return true;
  }
}

@Controller('products')
export class ProductsController {
  @Get(':id')
  @SingleFlight((id: string) => id)
  async below(@Param('id') id: string) {
    return id;
  }

  @SingleFlight((id: string, locale?: string) => [id, locale ?? null])
  @Get(':id')
  @Header('x-shared', 'perhaps')
  @UseGuards(Guard)
  async above(@Param('id') id: string, @Query('locale') locale?: string) {
    return `${id} ${locale ?? ''}`;
  }

  @SingleFlight((id: string) => id)
  @Get(':id/changes')
  observed(@Param('id') id: string): Observable<string> {
    void id;
    return products;
  }
}
