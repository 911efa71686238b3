import { expect, it } from 'vitest'
import { runBacklog } from '../src/backlog/run.ts'

it('the board shows the present while two hours of one agent are drained at 200 × real time, each reading once', async () => {
  const told: string[] = []
  const args = { hours: 2, machines: 5, signals: 10, seed: 3, keep: undefined, help: false }
  const { complaints, verdicts } = await runBacklog(args, line => told.push(line))
  expect(complaints, told.join('\n')).toEqual([])
  expect(verdicts.map(({ readings }) => readings > 4_000)).toEqual(Array(5).fill(true))
}, 60_000)
