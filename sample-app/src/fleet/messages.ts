/** What a process of the fleet tells the one that plays. */
export type FromMember =
  | { readonly kind: 'listening'; readonly port: number }
  /** The database is about to be asked. */
  | { readonly kind: 'query' }
  | { readonly kind: 'expired' };

/** What the one that plays asks of a process. */
export type ToMember = { readonly kind: 'expire' } | { readonly kind: 'close' };

export function tellParent(message: FromMember): void {
  process.send?.(message);
}
