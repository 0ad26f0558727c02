import { TestEnvironment } from 'jest-environment-node';

/** Skips the rest of a file once a test of it has failed: of a mutant, one is enough. */
export default class BailEnvironment extends TestEnvironment {
  /** Written once, by the first failure. */
  failed = false;

  handleTestEvent({ name, test }) {
    if (name === 'test_fn_failure' || name === 'hook_failure') this.failed = true;
    else if (name === 'test_start' && this.failed) test.mode = 'skip';
  }
}
