import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bucket, DEFAULT_LIMITS, debtMs, fullBucket, limitsOf, take, trafficOf } from '../src/limits.ts'

const steps = fc.array(
  fc.record({ waitMs: fc.integer({ min: 0, max: 5_000 }), amount: fc.integer({ min: 0, max: 3_000 }) }),
  { minLength: 1, maxLength: 50 },
)

describe('a bucket', () => {
  it('gives no more than one second’s worth and what has flowed in, to one who waits as it says', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), steps, (perS, taken) => {
        let bucket: Bucket = fullBucket(perS, 0)
        let now = 0
        let total = 0
        for (const { waitMs, amount } of taken) {
          now += Math.max(waitMs, debtMs(bucket))
          // Before each taking the debt is paid: so the total never exceeds the burst and the rate.
          expect(total).toBeLessThanOrEqual(perS + (perS * now) / 1_000 + 1e-6)
          bucket = take(bucket, amount, now)
          total += amount
        }
      }),
    )
  })

  it('owes nothing after waiting out its debt, and still something a moment before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 100_000 }), (perS, amount) => {
        const bucket = take(fullBucket(perS, 0), amount, 0)
        const wait = debtMs(bucket)
        expect(debtMs(take(bucket, 0, wait))).toBe(0)
        if (wait > 1) expect(debtMs(take(bucket, 0, wait - 2))).toBeGreaterThan(0)
      }),
    )
  })

  it('lets what is larger than itself pass, on credit', () => {
    const bucket = take(fullBucket(100, 0), 350, 0)
    expect(debtMs(bucket)).toBe(2_500)
    expect(debtMs(take(fullBucket(100, 0), 100, 0))).toBe(0)
  })

  it('holds no more than one second’s worth, however long it waits', () => {
    expect(take(fullBucket(100, 0), 0, 1e9).tokens).toBe(100)
  })

  it('neither gives nor takes when the clock steps back', () => {
    const before = take(fullBucket(100, 10_000), 60, 10_000)
    const after = take(before, 0, 5_000)
    expect(after.tokens).toBe(40)
    expect(take(after, 0, 5_100).tokens).toBe(50)
  })
})

describe('limits', () => {
  it('are the default ones where nothing else is said', () => {
    expect(limitsOf(undefined)).toEqual(DEFAULT_LIMITS)
    expect(limitsOf({ keepAliveMaxS: 20 })).toEqual({ ...DEFAULT_LIMITS, keepAliveMaxS: 20 })
  })

  it('of an agent are its own, those of ingest and coordinator a service’s', () => {
    const limits = { ...DEFAULT_LIMITS }
    expect(trafficOf('agent', limits)).toEqual({
      messagesPerS: limits.agentMessagesPerS,
      bytesPerS: limits.agentBytesPerS,
      outgoingMaxBytes: limits.agentOutgoingMaxBytes,
    })
    expect(trafficOf('ingest', limits)).toEqual(trafficOf('coordinator', limits))
    expect(trafficOf('ingest', limits).messagesPerS).toBe(limits.serviceMessagesPerS)
  })
})
