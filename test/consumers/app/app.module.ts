import { Controller, Get, Injectable, Module, Param, UseInterceptors } from '@nestjs/common';
import { SingleFlight, SingleFlightInterceptor, SingleFlightModule } from 'nestjs-singleflight';
import { CALLERS, joins } from './burst.js';

export interface Product {
  readonly id: string;
  readonly run: number;
}

@Injectable()
export class Products {
  /** What was loaded, in order; written by `load`. */
  readonly loaded: string[] = [];

  @SingleFlight((id: string) => id)
  async find(id: string): Promise<Product> {
    return this.load(id);
  }

  /** Takes until everybody else has joined. */
  async load(id: string): Promise<Product> {
    const run = this.loaded.push(id);
    await joins(CALLERS - 1);
    return { id, run };
  }
}

@Controller()
class ProductsController {
  constructor(private readonly products: Products) {}

  @Get('decorated/:id')
  decorated(@Param('id') id: string): Promise<Product> {
    return this.products.find(id);
  }

  @Get('intercepted/:id')
  @UseInterceptors(SingleFlightInterceptor)
  intercepted(@Param('id') id: string): Promise<Product> {
    return this.products.load(id);
  }
}

@Module({ imports: [SingleFlightModule.forRoot()], controllers: [ProductsController], providers: [Products] })
export class AppModule {}
