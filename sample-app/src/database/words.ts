/** What the generated products, reviews and their authors are made of. */
export const CATEGORIES: Readonly<Record<string, readonly string[]>> = {
  Kitchen: ['Kettle', 'Frying Pan', 'Chef Knife', 'Cutting Board', 'Coffee Grinder', 'Stock Pot', 'Pepper Mill'],
  Lighting: ['Desk Lamp', 'Floor Lamp', 'Pendant Light', 'Lantern', 'Reading Light', 'Wall Sconce'],
  Furniture: ['Armchair', 'Bookshelf', 'Side Table', 'Bar Stool', 'Writing Desk', 'Coat Rack', 'Bench'],
  Garden: ['Watering Can', 'Pruning Shears', 'Planter', 'Bird Feeder', 'Hand Trowel', 'Fire Bowl'],
  Outdoor: ['Tent', 'Sleeping Bag', 'Hiking Backpack', 'Camping Stove', 'Water Bottle', 'Head Torch'],
  Audio: ['Headphones', 'Bookshelf Speaker', 'Turntable', 'Microphone', 'Radio', 'Soundbar'],
  Office: ['Notebook', 'Fountain Pen', 'Desk Organiser', 'Monitor Stand', 'Letter Tray', 'Paper Trimmer'],
  Bath: ['Bath Towel', 'Soap Dish', 'Shower Caddy', 'Bath Mat', 'Toothbrush Holder', 'Laundry Basket'],
  Toys: ['Building Blocks', 'Marble Run', 'Wooden Train', 'Puzzle', 'Kite', 'Rocking Horse'],
  Sports: ['Yoga Mat', 'Skipping Rope', 'Dumbbell', 'Bicycle Pump', 'Tennis Racket', 'Swim Goggles'],
};

export const ADJECTIVES = [
  'Compact', 'Classic', 'Folding', 'Nordic', 'Handmade', 'Everyday', 'Lightweight', 'Vintage', 'Modern', 'Rugged', 'Quiet', 'Slim',
  'Heritage', 'Portable', 'Stackable', 'Minimal',
]; // prettier-ignore

export const MATERIALS = [
  'Oak', 'Steel', 'Linen', 'Copper', 'Ceramic', 'Bamboo', 'Glass', 'Walnut', 'Aluminium', 'Cotton', 'Leather', 'Cork', 'Brass', 'Wool',
]; // prettier-ignore

export const FIRST_NAMES = [
  'Ada', 'Bilal', 'Chiara', 'Dmitri', 'Elif', 'Femi', 'Grace', 'Hiro', 'Ines', 'Jonas', 'Kavya', 'Liam', 'Mei', 'Noor', 'Oskar', 'Priya',
  'Quentin', 'Rosa', 'Sven', 'Tariq', 'Uma', 'Vera', 'Wanjiru', 'Yusuf', 'Zoe',
]; // prettier-ignore

/** By rating, one star first: title and first sentence. */
export const VERDICTS: readonly (readonly [title: string, sentence: string])[] = [
  ['Disappointed', 'It broke within a week and went straight back.'],
  ['Not what I hoped for', 'It does the job, but the finish is poor.'],
  ['Decent', 'Does what it says, nothing more.'],
  ['Very good', 'Well made and a pleasure to use.'],
  ['Could not be happier', 'I use it every day and would buy it again at once.'],
];

export const REMARKS = [
  'Delivery took two days.', 'The colour is a little darker than in the picture.', 'Bought it as a present, and it was a success.',
  'The manual could be clearer.', 'Sturdier than it looks.', 'My neighbour has ordered one as well.', 'A bit heavy for its size.',
  'Good value for the price.', 'It cleans easily.', 'Packaging without any plastic, which I like.', 'Smaller than I expected.',
]; // prettier-ignore
