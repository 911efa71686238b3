import { Id, KIND_CODES, STATE_CODES } from '@nakama/contract'
import { type Static, type TSchema, Type } from 'typebox'
import { API_ERRORS } from './errors.ts'

const orNull = <S extends TSchema>(schema: S, description: string) => Type.Union([schema, Type.Null()], { description })
const Time = Type.String({ description: 'RFC 3339, UTC' })
const State = Type.Enum([...STATE_CODES], { description: 'OFFLINE: nobody knows. Unknown is never IDLE.' })
const Kind = Type.Enum(KIND_CODES)

const TakingRequest = Type.Object(
  {
    value: Type.Boolean(),
    until: orNull(Time, 'Up to when; null: until further notice'),
    rev: Type.Integer(),
    status: Type.Enum(['waiting', 'refused'], {
      description: "waiting: the shop's Pi has not yet said that it applied this; refused: it said that it will not",
    }),
    why: orNull(Type.String(), 'The reason of a refusal'),
  },
  { description: 'What was asked of the shop here and is not in force' },
)

const takingProperties = {
  taking: orNull(Type.Boolean(), '受ける (true) or 休む (false), as the shop has it; null: it never said'),
  takingUntil: orNull(Time, 'Then it lapses into its opposite; null: until further notice'),
  takingRequest: orNull(TakingRequest, 'null: nothing is waited for'),
}

export const MachineView = Type.Object({
  shop: Id,
  shopName: Type.String(),
  shopNameEn: orNull(Type.String(), 'Name in English'),
  town: Type.String(),
  townEn: orNull(Type.String(), 'Town in English'),
  area: Type.String(),
  areaEn: orNull(Type.String(), 'Area in English'),
  phone: orNull(Type.String(), 'Whom to call'),
  machine: Id,
  machineName: Type.String(),
  machineNameEn: orNull(Type.String(), 'Name in English'),
  kind: Kind,
  state: State,
  since: orNull(Time, 'Since when it is in this state; of OFFLINE: when it was last heard; null: never heard'),
  asOf: orNull(Time, "When the machine's agent was last heard; null: never"),
  ...takingProperties,
  free: Type.Boolean({
    description: 'IDLE, and the shop takes work: capacity. An idle machine of a shop that rests is not',
  }),
  observed: orNull(
    Type.Number(),
    'Known (not OFFLINE) share of the last 24 h, 0 to 1, from hourly rollups over whole hours; null: no data',
  ),
})

export const Feed = Type.Object(
  {
    connected: Type.Boolean(),
    since: Time,
    ingest: Type.Object(
      { connected: Type.Boolean(), since: Time },
      {
        description:
          'What stores the past. Not connected (受信停止): states are those of now, but none of it is being stored; the shops keep it until it is back',
      },
    ),
  },
  {
    description:
      "The coordinator's own connection to the broker. Not connected (受信停止): states are the last view, `since` says as of when",
  },
)

export const MachinesAnswer = Type.Object({ now: Time, feed: Feed, machines: Type.Array(MachineView) })

export const MachinesQuery = Type.Object(
  {
    kind: Type.Optional(Kind),
    area: Type.Optional(Type.String({ minLength: 1, maxLength: 80 })),
    state: Type.Optional(State),
  },
  { additionalProperties: false },
)

// The exact form is checked by `readTime`, whose refusal says more than that a pattern does not match.
const timeInput = (description: string) => Type.String({ maxLength: 40, description })

const range = {
  from: Type.Optional(timeInput('RFC 3339; 24 h before `to` unless told')),
  to: Type.Optional(timeInput('RFC 3339; now unless told')),
}

export const RangeQuery = Type.Object(range, { additionalProperties: false })

export const MachineParams = Type.Object({ shop: Id, machine: Id })
export const ShopParams = Type.Object({ shop: Id })

export const TimelineAnswer = Type.Object({
  shop: Id,
  machine: Id,
  from: Time,
  to: Type.String({ description: 'RFC 3339, UTC; never later than now' }),
  observed: orNull(Type.Number(), 'Known (not OFFLINE) share of this range, 0 to 1'),
  intervals: Type.Array(
    Type.Object({
      from: Time,
      to: Time,
      state: State,
      provisional: Type.Boolean({
        description: "Drawn on from the live status and not yet confirmed by the machine's record",
      }),
    }),
    { description: 'Ascending, without holes: a time of which nothing was ever said is OFFLINE' },
  ),
})

export const CapacityQuery = Type.Object(
  { ...range, by: Type.Optional(Type.Enum(['kind', 'area'], { description: 'kind unless told' })) },
  { additionalProperties: false },
)

const Hours = Type.Object(
  {
    RUNNING: Type.Number(),
    PAUSED: Type.Number(),
    SETUP: Type.Number(),
    IDLE: Type.Number(),
    ALARM: Type.Number(),
    OFF: Type.Number(),
    OFFLINE: Type.Number(),
  },
  {
    description:
      'Hours per state, summed over the machines, from hourly rollups. OFFLINE = machines × length of the range − known hours, so that a missing rollup is never idleness',
  },
)

export const CapacityAnswer = Type.Object({
  by: Type.Enum(['kind', 'area']),
  from: Type.String({ description: 'RFC 3339, UTC: the asked range rounded outwards to whole UTC hours' }),
  to: Type.String({ description: 'The same; never later than now' }),
  feed: Feed,
  groups: Type.Array(
    Type.Object({
      group: Type.String({ description: 'A kind code, or an area as the register names it' }),
      machines: Type.Integer({ description: 'Registered machines of the group' }),
      idleNow: Type.Integer({ description: 'Machines whose live state is IDLE, whether or not their shop takes work' }),
      takingNow: Type.Integer({ description: 'Machines that are free: IDLE, and their shop takes work' }),
      hours: Hours,
      idleHours: Type.Number({
        description:
          'hours.IDLE, around the clock and whether or not the shop took work then: calendars are not yet reckoned with',
      }),
      utilisation: orNull(
        Type.Number(),
        'RUNNING ÷ known hours, 0 to 1, around the clock (not yet within operating time only); null: nothing known',
      ),
      observed: orNull(Type.Number(), 'Known ÷ (machines × length of the range), 0 to 1'),
    }),
  ),
})

export const TakingBody = Type.Object(
  {
    value: Type.Boolean({ description: '受ける (true) or 休む (false)' }),
    until: Type.Optional(orNull(timeInput('RFC 3339, in the future'), 'null: until further notice')),
  },
  { additionalProperties: false },
)

export const ShopTakingView = Type.Object({ shop: Id, ...takingProperties })

export const ErrorAnswer = Type.Object({
  error: Type.Object({
    code: Type.Enum(Object.keys(API_ERRORS), { description: 'Never changes its meaning' }),
    message: Type.String(),
    path: Type.Optional(Type.String({ description: 'The place in the request' })),
    expected: Type.Optional(Type.String()),
    got: Type.Optional(Type.String()),
  }),
})

/** The data of the stream's events, by event name. */
export const StreamData = Type.Object({
  snapshot: Type.Object({ ...MachinesAnswer.properties }, { description: 'First of all: everything' }),
  change: Type.Object(
    { now: Time, machines: Type.Array(MachineView) },
    {
      description:
        'Machines that look different now, whole; the rest is as before. A moved `asOf` or `observed` alone is not told',
    },
  ),
  feed: Type.Object({ now: Time, feed: Feed }, { description: 'Reception or storing was lost or is back' }),
  beat: Type.Object({ now: Time }, { description: 'Nothing new, but still here' }),
})

export type MachineView = Static<typeof MachineView>
export type Feed = Static<typeof Feed>
export type MachinesAnswer = Static<typeof MachinesAnswer>
export type TimelineAnswer = Static<typeof TimelineAnswer>
export type CapacityAnswer = Static<typeof CapacityAnswer>
export type ShopTakingView = Static<typeof ShopTakingView>
export type ErrorAnswer = Static<typeof ErrorAnswer>

export type StreamEvents = Static<typeof StreamData>
