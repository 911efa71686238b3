import type { Reporter, TestModule } from 'vitest/node'

/** Ends a run with its result in one plain line, `N passed, N failed`, for whoever reads only the last line. */
export const lastLineReporter = (): Reporter => ({
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    for (const module of modules) count(module, counts)
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
    process.stdout.write(`${counts.passed} passed, ${counts.failed} failed${skipped}\n`)
  },
})

const count = (module: TestModule, counts: { passed: number; failed: number; skipped: number }): void => {
  // A module that failed to load, or a hook that threw, has no failed test to show for it.
  if (module.state() === 'failed' && ![...module.children.allTests('failed')].length) counts.failed += 1
  for (const test of module.children.allTests()) {
    const { state } = test.result()
    if (state === 'passed') counts.passed += 1
    else if (state === 'failed') counts.failed += 1
    else counts.skipped += 1
  }
}
