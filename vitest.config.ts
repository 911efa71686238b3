import { defineConfig } from 'vitest/config'
import { lastLineReporter } from './tests/src/last-line-reporter.ts'

// Unit tests live beside their room (`<room>/test`); what crosses rooms, with real processes, lives in `tests/`.
export default defineConfig({
  test: {
    reporters: ['default', lastLineReporter()],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['*/test/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'tests/**'],
          testTimeout: 20_000,
          hookTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'system',
          include: ['tests/test/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          // Real processes share two cores: one file at a time keeps every deadline honest.
          fileParallelism: false,
        },
      },
    ],
  },
})
