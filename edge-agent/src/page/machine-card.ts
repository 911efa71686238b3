import { clockTime, durationText, MACHINE_KINDS, STATES, secondsText, sinceTime } from '@nakama/contract'
import type { MachineExplanation } from '../machines.ts'
import type { ShownSignal } from '../state/explain.ts'
import { type Html, html } from './html.ts'
import { both, RULE_WORDS, type Words } from './words.ts'

/** One machine: its state and why, what will become of it, and what its signals say. */
export const machineCard = (machine: MachineExplanation, now: number): Html => {
  const { id, name, kind, code, since, readAt } = machine
  const lasting: Words = { ja: durationText(now - since, 'ja'), en: durationText(now - since, 'en') }
  return html`
    <article class="machine" data-machine="${id}" data-state="${code}">
      <header>
        <h2>${name} <small>${MACHINE_KINDS[kind].ja} <span lang="en">${MACHINE_KINDS[kind].en}</span>・${id}</small></h2>
        <p class="state"><b>${both(STATES[code])}</b>
          <span>${sinceTime(since, now)}から ${lasting.ja} <small lang="en">for ${lasting.en}</small></span></p>
      </header>
      ${reasons(machine).map(words => html`<p class="why">${both(words)}</p>`)}
      ${machine.signals.length > 0 && signalTable(id, machine.signals)}
      <p class="read">${both(readWords(readAt, now))}</p>
    </article>`
}

const reasons = (machine: MachineExplanation): Words[] => {
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

/** Those that decide first. */
const signalTable = (machine: string, signals: readonly ShownSignal[]): Html => html`
  <details id="signals-${machine}"><summary>${both({ ja: `信号 ${signals.length}点`, en: 'signals' })}</summary><table>
    ${signals
      .toSorted((a, b) => Number(b.decides) - Number(a.decides))
      .map(
        signal =>
          html`<tr data-decides="${String(signal.decides)}"><th scope="row">${signal.name}</th><td>${valueText(signal)}</td></tr>`,
      )}
  </table></details>`

const valueText = ({ value, isHiddenText }: ShownSignal): Html => {
  if (isHiddenText) return both({ ja: '（文字は表示しません）', en: 'text, not shown' })
  if (value === null) return html`<span class="bad">${both({ ja: '読めません', en: 'no good value' })}</span>`
  if (typeof value === 'boolean') return html`${value ? 'ON' : 'OFF'}`
  return html`${value}`
}

const readWords = (readAt: number | null, now: number): Words => {
  if (readAt === null) return { ja: '最終読取：なし', en: 'last read: never' }
  const seconds = Math.max(0, Math.round((now - readAt) / 1_000))
  if (seconds < 60) return { ja: `最終読取：${seconds}秒前`, en: `last read ${seconds} s ago` }
  return { ja: `最終読取：${sinceTime(readAt, now)}`, en: `last read ${durationText(now - readAt, 'en')} ago` }
}

/** 14:05:09 */
const preciseTime = (at: number): string => `${clockTime(at)}:${secondsText(at)}`
