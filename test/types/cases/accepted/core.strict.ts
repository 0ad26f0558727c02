import type { Failure, Result, Success } from 'nestjs-singleflight/core';
import { same } from '../same.js';

declare const result: Result<string>;

export function narrowing() {
  if (result.ok) {
    same<Success<string>>()(result);
    same<string>()(result.value);
    same<'leader' | 'follower'>()(result.role);
  } else {
    same<Failure>()(result);
    same<unknown>()(result.error);
  }
  same<boolean>()(result.shared);
}
