import type { ModelName } from '../catalogue.ts'
import type { Range } from './random.ts'

/** How a kind of machine works. Ranges are drawn anew for every job, cycle or stop. */
export interface Profile {
  /** How it shows what it does. */
  readonly shows: 'cnc-bits' | 'mtconnect' | 'stack-light'
  readonly warmUpMin?: Range
  readonly setupMin: Range
  /** Nominal time of one part. */
  readonly cycleS: Range
  /** Parts of one job. */
  readonly lot: Range
  /** How many of the jobs are fed by a bar feeder or pallets; the others by hand. */
  readonly fedShare: number
  readonly fedLoadS: Range
  readonly handLoadS: Range
  /** Stops within a cycle, per hour of cutting: of seconds (chips, a tool that is awaited), and by somebody's hand. */
  readonly shortStopsPerHour: number
  readonly holdsPerHour: number
  /** How many of the jobs have an optional stop for measuring. */
  readonly optionalStopShare: number
  /** Per hour of cutting. */
  readonly alarmsPerHour: number
  readonly emergencyStopsPerHour: number
  /** How often a job is followed by a time without work, and for how long. */
  readonly lullShare: number
  readonly lullMin: Range
  /** Goes on cutting when everybody has gone home. */
  readonly unattended?: true
  readonly spindleRpm: Range
  readonly feedMmMin: Range
  readonly loadPercent: Range
  /** Of the supply: while it cuts, and while it only stands there. Off it is nearly nothing. */
  readonly cuttingA: Range
  readonly standingA: number
}

const NONE: Range = [0, 0]

export const PROFILES: { readonly [name in ModelName]: Profile } = {
  'nc-lathe': {
    shows: 'cnc-bits',
    warmUpMin: [8, 20],
    setupMin: [8, 40],
    cycleS: [70, 360],
    lot: [12, 60],
    fedShare: 0.8,
    fedLoadS: [3, 9.5],
    handLoadS: [12, 50],
    shortStopsPerHour: 4,
    holdsPerHour: 0.8,
    optionalStopShare: 0.25,
    alarmsPerHour: 0.25,
    emergencyStopsPerHour: 0.05,
    lullShare: 0.3,
    lullMin: [8, 60],
    spindleRpm: [600, 3_200],
    feedMmMin: [60, 400],
    loadPercent: [20, 70],
    cuttingA: [8, 20],
    standingA: 1.5,
  },
  'vertical-mc': {
    shows: 'mtconnect',
    warmUpMin: [10, 20],
    setupMin: [15, 50],
    cycleS: [150, 700],
    lot: [8, 30],
    fedShare: 0.6,
    fedLoadS: [4, 9.5],
    handLoadS: [20, 90],
    shortStopsPerHour: 9,
    holdsPerHour: 1.5,
    optionalStopShare: 0.3,
    alarmsPerHour: 0.2,
    emergencyStopsPerHour: 0.05,
    lullShare: 0.35,
    lullMin: [10, 70],
    spindleRpm: [1_500, 9_000],
    feedMmMin: [300, 2_400],
    loadPercent: [15, 60],
    cuttingA: [10, 25],
    standingA: 2,
  },
  'five-axis-mc': {
    shows: 'mtconnect',
    warmUpMin: [12, 20],
    setupMin: [20, 70],
    cycleS: [400, 2_400],
    lot: [3, 12],
    fedShare: 0.7,
    fedLoadS: [5, 9.5],
    handLoadS: [40, 180],
    shortStopsPerHour: 10,
    holdsPerHour: 2,
    optionalStopShare: 0.5,
    alarmsPerHour: 0.2,
    emergencyStopsPerHour: 0.04,
    lullShare: 0.3,
    lullMin: [10, 60],
    spindleRpm: [3_000, 15_000],
    feedMmMin: [500, 4_000],
    loadPercent: [10, 50],
    cuttingA: [12, 30],
    standingA: 3,
  },
  'manual-lathe': {
    shows: 'stack-light',
    setupMin: [4, 15],
    cycleS: [20, 120],
    lot: [4, 20],
    fedShare: 0,
    fedLoadS: NONE,
    handLoadS: [4, 45],
    shortStopsPerHour: 40,
    holdsPerHour: 0,
    optionalStopShare: 0,
    alarmsPerHour: 0.1,
    emergencyStopsPerHour: 0.05,
    lullShare: 0.6,
    lullMin: [10, 90],
    spindleRpm: [100, 1_200],
    feedMmMin: [20, 200],
    loadPercent: [20, 90],
    cuttingA: [2.4, 6.5],
    standingA: 0.35,
  },
  'cylindrical-grinder': {
    shows: 'stack-light',
    warmUpMin: [8, 15],
    setupMin: [10, 35],
    cycleS: [100, 420],
    lot: [8, 40],
    fedShare: 0.3,
    fedLoadS: [4, 9.5],
    handLoadS: [8, 45],
    shortStopsPerHour: 6,
    holdsPerHour: 1,
    optionalStopShare: 0.3,
    alarmsPerHour: 0.15,
    emergencyStopsPerHour: 0.04,
    lullShare: 0.4,
    lullMin: [10, 60],
    spindleRpm: [1_000, 2_000],
    feedMmMin: [50, 300],
    loadPercent: [20, 60],
    cuttingA: [6, 11],
    standingA: 1.8,
  },
  'wire-edm': {
    shows: 'stack-light',
    setupMin: [15, 45],
    cycleS: [1_800, 18_000],
    lot: [1, 3],
    fedShare: 0,
    fedLoadS: NONE,
    handLoadS: [120, 900],
    shortStopsPerHour: 6,
    holdsPerHour: 0.3,
    optionalStopShare: 0,
    // A broken wire; many machines thread it again by themselves within seconds, and some do not.
    alarmsPerHour: 0.15,
    emergencyStopsPerHour: 0.01,
    lullShare: 0.3,
    lullMin: [10, 90],
    unattended: true,
    spindleRpm: NONE,
    feedMmMin: [1, 8],
    loadPercent: [20, 60],
    cuttingA: [5, 14],
    standingA: 3,
  },
}
