/** All that a shop shows about one product. Plain JSON, so that every cache gives back what went in. */
export interface ProductPage {
  readonly id: number;
  readonly name: string;
  readonly category: string;
  readonly description: string;
  readonly priceCents: number;
  readonly sales: {
    readonly orders: number;
    readonly units: number;
    readonly revenueCents: number;
    readonly unitsInLast30Days: number;
    readonly rankInCategory: number;
    readonly productsInCategory: number;
    readonly byMonth: readonly { readonly month: string; readonly units: number }[];
  };
  readonly reviews: {
    readonly count: number;
    readonly averageRating: number | null;
    readonly byRating: Readonly<Record<string, number>>;
    readonly latest: readonly {
      readonly author: string;
      readonly rating: number;
      readonly title: string;
      readonly body: string;
      readonly writtenOn: string;
    }[];
  };
}
