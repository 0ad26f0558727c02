/**
 * A set, in order of insertion, that makes no `Set` for its first member: most flights have one caller who can leave,
 * most signals guard one call, and making a `Set` takes longer than all else they need.
 */
export class SmallSet<T extends object> {
  private first: T | undefined = undefined;
  /** Made for the second member; who comes after that goes there, so that the order holds. */
  private rest: Set<T> | undefined = undefined;

  get size(): number {
    return (this.first === undefined ? 0 : 1) + (this.rest?.size ?? 0);
  }

  /** Adds a member that is not in it. */
  add(member: T): void {
    if (this.first === undefined && this.rest === undefined) this.first = member;
    else (this.rest ??= new Set()).add(member);
  }

  /** Whether it was in it. */
  delete(member: T): boolean {
    if (this.first !== member) return this.rest?.delete(member) === true;
    this.first = undefined;
    return true;
  }

  /** As a Set does it: who is deleted meanwhile is passed over, who is added is visited. */
  forEach(visit: (member: T) => void): void {
    if (this.first !== undefined) visit(this.first);
    this.rest?.forEach((member) => {
      visit(member);
    });
  }
}
