import { BadRequestException, Injectable } from '@nestjs/common';
import type { PipeTransform } from '@nestjs/common';

/** PostgreSQL's largest integer. */
const LARGEST_ID = 2_147_483_647;

@Injectable()
export class ProductIdPipe implements PipeTransform<string, number> {
  transform(value: string): number {
    const id = Number(value);
    if (/^\d+$/.test(value) && id >= 1 && id <= LARGEST_ID) return id;
    throw new BadRequestException(`A product id is a whole number from 1 to ${LARGEST_ID}.`);
  }
}
