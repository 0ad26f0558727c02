import { Module } from '@nestjs/common';
import { ProductPagesService } from './product-pages.service.js';
import { ProductRepository } from './product.repository.js';
import { ProductsController } from './products.controller.js';

@Module({
  controllers: [ProductsController],
  providers: [ProductPagesService, ProductRepository],
})
export class CatalogueModule {}
