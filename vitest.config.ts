import { defineConfig } from 'vitest/config'
import { lastLineReporter } from './tests/src/last-line-reporter.ts'

// Tests of a room live beside it (`<room>/test`); what crosses rooms, with real processes, lives in `tests/`.
const ROOMS = ['*/test/**/*.test.ts']
const NOT_OF_A_ROOM = ['**/node_modules/**', 'tests/**']

// What starts processes, waits for time-outs on real sockets or plays hundreds of crashes: seconds each, and no unit tests.
const SLOW = [
  'broker/test/{connect,traffic}.test.ts',
  'coordinator/test/{api,events,history,main,security}.test.ts',
  'demo/test/supervisor.test.ts',
  'edge-agent/test/{agent,agent-board,agent-clock,agent-config,uplink}.test.ts',
  'edge-agent/test/{journal,journal-boots,journal-crash,journal-faults,journal-headroom,journal-kill,journal-lock,journal-model}.test.ts',
  'edge-agent/test/{modbus,modbus-isolation,modbus-line,modbus-serial}.test.ts',
  'edge-agent/test/{opcua,opcua-faults,opcua-lazy,opcua-presets,opcua-security}.test.ts',
  'ingest/test/{both-lanes,ingest,pipeline}.test.ts',
  'service/test/{run,systemd}.test.ts',
  'simulators/test/{logs,modbus,opcua}.test.ts',
  'store/test/embedded-{crash,damage,limits}.test.ts',
]

const patience = { testTimeout: 20_000, hookTimeout: 20_000 }

export default defineConfig({
  test: {
    reporters: ['default', lastLineReporter()],
    projects: [
      { test: { name: 'unit', include: ROOMS, exclude: [...NOT_OF_A_ROOM, ...SLOW], ...patience } },
      // Concurrent tests wait for machines that are silent on purpose: many at once cost no more than one.
      { test: { name: 'room', include: SLOW, exclude: NOT_OF_A_ROOM, maxConcurrency: 15, ...patience } },
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
