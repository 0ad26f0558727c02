/** Objects that can be gone through, and that are not kept alive for that. */
export class WeakCollection<T extends object> implements Iterable<T> {
  private readonly refs = new Set<WeakRef<T>>();
  private readonly registry = new FinalizationRegistry<WeakRef<T>>((ref) => {
    this.refs.delete(ref);
  });

  add(member: T): void {
    const ref = new WeakRef(member);
    this.refs.add(ref);
    this.registry.register(member, ref);
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const ref of this.refs) {
      const member = ref.deref();
      if (member !== undefined) yield member;
    }
  }
}
