import type { Preset, PresetSignal } from './presets.ts'
import type { Condition } from './rules.ts'

/** OPC UA for Machinery (40001-1), clauses 12 and 13: whether the machine does anything, and what it is meant for now. */
const ITEM_STATES = ['NotAvailable', 'OutOfService', 'NotExecuting', 'Executing']

/** The id of the current state names it in every language; its text does so only in that of the control, hence last. */
const stateMachine = (...places: readonly string[]): string[] => [
  ...places.map(place => `${place}/CurrentState/Id`),
  ...places.map(place => `${place}/CurrentState`),
]

// Where 40001-1 puts it, and where 40501-1 has shown it since 1.02.
const buildingBlock = (name: string): string[] =>
  stateMachine(
    `MachineryBuildingBlocks/${name}`,
    `Monitoring/MachineTool/${name}`,
    `Monitoring/Status/${name}`,
    `Monitoring/${name}`,
    name,
  )

const ITEM_STATE: PresetSignal = { name: 'itemState', paths: buildingBlock('MachineryItemState'), isOptional: false }
const ITEM_MODE: PresetSignal = { name: 'itemMode', paths: buildingBlock('MachineryOperationMode'), isOptional: true }

const itemState = (...states: readonly string[]): Condition => ({ signal: 'itemState', in: states })
const itemMode = (...modes: readonly string[]): Condition => ({ signal: 'itemMode', in: modes })
const handsOn = itemMode('Setup', 'Maintenance')

/** OPC UA for Machinery: item state and operation mode, as the table of machine states has them. */
export const MACHINERY: Preset = {
  needs: [],
  signals: [ITEM_STATE, ITEM_MODE],
  rules: {
    alarm: [{ all: [itemState('OutOfService'), { not: handsOn }] }],
    off: [itemState('NotAvailable')],
    running: [{ all: [itemState('Executing'), { not: handsOn }] }],
    paused: [{ all: [itemState('NotExecuting'), itemMode('Processing')] }],
    setup: [{ all: [itemState('OutOfService', 'NotExecuting', 'Executing'), handsOn] }],
    idle: [{ all: [itemState('NotExecuting'), { not: itemMode('Processing', 'Setup', 'Maintenance') }] }],
  },
}

/** OPC UA for Machine Tools (40501-1), the enumerations ChannelState, ChannelMode and MachineOperationMode. */
const CHANNEL_ACTIVE = 0
const CHANNEL_INTERRUPTED = 1
const CHANNEL_RESET = 2
const CHANNEL_BY_HAND = [1, 2, 3, 4, 6]
const MODE_MANUAL = 0
const MODE_SETUP = 2
const MODE_SERVICE = 4

const channelState = (state: number): Condition => ({ signal: 'channelState', is: state })
const program = (...states: readonly string[]): Condition => ({ signal: 'programState', in: states })
const byHand: Condition = {
  any: [
    { signal: 'operationMode', in: [MODE_MANUAL, MODE_SETUP, MODE_SERVICE] },
    { signal: 'channelMode', in: CHANNEL_BY_HAND },
  ],
}
const hasNoItemState: Condition = { not: itemState(...ITEM_STATES) }

/**
 * OPC UA for Machine Tools: what the machine says of itself by the states of Machinery, and where it does not have those
 * (before 1.02), by its operation mode, its channels and the state of its program. Names of programs are not read.
 */
export const MACHINE_TOOLS: Preset = {
  needs: [],
  signals: [
    { ...ITEM_STATE, isOptional: true },
    ITEM_MODE,
    optional('operationMode', 'Monitoring/MachineTool/OperationMode'),
    optional('warmUp', 'Monitoring/MachineTool/IsWarmUp'),
    optional('channelState', 'Monitoring/*/ChannelState'),
    optional('channelMode', 'Monitoring/*/ChannelMode'),
    optional('programState', ...stateMachine('Production/ActiveProgram/State')),
  ],
  rules: {
    ...MACHINERY.rules,
    warmUp: [{ signal: 'warmUp', is: true }],
    running: [
      ...(MACHINERY.rules.running ?? []),
      { all: [hasNoItemState, { any: [channelState(CHANNEL_ACTIVE), program('Running')] }, { not: byHand }] },
    ],
    paused: [
      ...(MACHINERY.rules.paused ?? []),
      { all: [hasNoItemState, { any: [channelState(CHANNEL_INTERRUPTED), program('Interrupted')] }, { not: byHand }] },
    ],
    setup: [
      ...(MACHINERY.rules.setup ?? []),
      {
        all: [
          hasNoItemState,
          {
            any: [
              { signal: 'operationMode', in: [MODE_SETUP, MODE_SERVICE] },
              { all: [byHand, { any: [channelState(CHANNEL_ACTIVE), program('Running')] }] },
            ],
          },
        ],
      },
    ],
    done: [{ all: [{ any: [hasNoItemState, itemState('NotExecuting')] }, program('Ended')] }],
    idle: [
      ...(MACHINERY.rules.idle ?? []),
      { all: [hasNoItemState, { any: [channelState(CHANNEL_RESET), program('Initializing', 'Ended', 'Aborted')] }] },
    ],
  },
}

function optional(name: string, ...paths: readonly string[]): PresetSignal {
  return { name, paths, isOptional: true }
}
