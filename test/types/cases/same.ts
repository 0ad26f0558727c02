/** Compiles only where the value's type is exactly `Expected`: `same<string>()(value)`. */
export declare function same<Expected>(): <Actual>(
  value: Actual,
  ...difference: Equal<Expected, Actual> extends true ? [] : [expected: Expected]
) => void;

type Equal<X, Y> = (<T>() => T extends X ? 1 : 2) extends <T>() => T extends Y ? 1 : 2 ? true : false;
