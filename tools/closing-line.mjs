/**
 * Prints `N passed, N failed` as the very last line, after jest's own summary.
 * A suite that does not load counts as failed, and so does each check of tools/test.mjs that failed before.
 */
export default class ClosingLine {
  #skipped = 0;

  onRunComplete(_contexts, results) {
    const checks = Number(process.env['UMBRA_FAILED_CHECKS'] ?? 0);
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites + checks;
    this.#skipped = results.numPendingTests;
    const skipped = this.#skipped > 0 ? `, ${this.#skipped} skipped` : '';
    process.once('exit', () => process.stdout.write(`${results.numPassedTests} passed, ${failed} failed${skipped}\n`));
  }

  /** CI installs whatever the tests need, so a skipped test there is one that nobody has run. */
  getLastError() {
    if (process.env['CI'] === undefined || this.#skipped === 0) return undefined;
    return new Error(`${this.#skipped} tests were skipped, and in CI none may be`);
  }
}
