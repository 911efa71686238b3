import { clockTime, durationText, STATES, secondsText, sinceTime } from '@nakama/contract'
import type { MachineExplanation } from '../machines.ts'
import type { ShownSignal } from '../state/explain.ts'
import { RULE_WORDS, type Words } from './words.ts'

/** Why it is in its state, what will become of it, and what is odd about it. */
export const whyWords = (machine: MachineExplanation): Words[] => [...stateWords(machine), ...clockWords(machine)]

const stateWords = (machine: MachineExplanation): Words[] => {
  const { code, failing, becomesAt, offlineAt, shows } = machine
  if (failing !== null) {
    const from = clockTime(failing.since)
    const limit = offlineAt === null ? undefined : preciseTime(offlineAt)
    return [
      { ja: `${from}から読み取れません：${failing.message}`, en: `not read since ${from}` },
      ...(limit === undefined
        ? []
        : [{ ja: `${limit}まで続けば通信断とします`, en: `offline if it lasts until ${limit}` }]),
    ]
  }
  const evidence = evidenceWords(machine)
  if (becomesAt === null || shows.code === null || shows.code === code) return [evidence]
  const { ja, en } = STATES[shows.code]
  const at = preciseTime(becomesAt)
  return [evidence, { ja: `このまま続けば ${at} に「${ja}」とします`, en: `becomes ${en} at ${at} if it goes on` }]
}

const evidenceWords = ({ shows: { code, rule, condition, uncertain }, readAt }: MachineExplanation): Words => {
  if (readAt === null) return { ja: 'まだ一度も読み取れていません', en: 'never read yet' }
  if (rule === 'offline') {
    return {
      ja: `機械が「接続なし」と答えています（${condition}）`,
      en: 'the machine itself says that it is unavailable',
    }
  }
  if (code !== null && rule !== null) {
    const { ja, en } = RULE_WORDS[rule]
    return { ja: `「${ja}」の条件：${condition}`, en: `rule ${en}` }
  }
  const open = uncertain.map(name => RULE_WORDS[name])
  if (open.length === 0) return { ja: 'どの条件にも当てはまりません', en: 'no rule holds' }
  return {
    ja: `読めない信号があり「${open.map(({ ja }) => ja).join('・')}」かどうか分かりません`,
    en: `undecided for lack of a value: ${open.map(({ en }) => en).join(', ')}`,
  }
}

/** 13:40から 25分 */
export const sinceWords = (since: number, now: number): Words => ({
  ja: `${sinceTime(since, now)}から ${durationText(now - since, 'ja')}`,
  en: `for ${durationText(now - since, 'en')}`,
})

// Nothing while the machine's own clock is near enough, or not known.
const clockWords = ({ clockAheadMs }: MachineExplanation): Words[] => {
  if (clockAheadMs === null) return []
  const [ja, en] = clockAheadMs > 0 ? ['進んで', 'ahead'] : ['遅れて', 'behind']
  const off = Math.abs(clockAheadMs)
  const words = `the machine's own clock is ${durationText(off, 'en')} ${en}`
  return [{ ja: `機械の時計が ${durationText(off, 'ja')} ${ja}います`, en: words }]
}

/** A text where it is the same in every language. */
export const valueWords = ({ value, isHiddenText }: ShownSignal): Words | string => {
  if (isHiddenText) return { ja: '（文字は表示しません）', en: 'text, not shown' }
  if (value === null) return { ja: '読めません', en: 'no good value' }
  if (typeof value === 'boolean') return value ? 'ON' : 'OFF'
  return String(value)
}

export const readWords = (readAt: number | null, now: number): Words => {
  if (readAt === null) return { ja: '最終読取：なし', en: 'last read: never' }
  const seconds = Math.max(0, Math.round((now - readAt) / 1_000))
  if (seconds < 60) return { ja: `最終読取：${seconds}秒前`, en: `last read ${seconds} s ago` }
  return { ja: `最終読取：${sinceTime(readAt, now)}`, en: `last read ${durationText(now - readAt, 'en')} ago` }
}

/** 14:05:09 */
const preciseTime = (at: number): string => `${clockTime(at)}:${secondsText(at)}`
