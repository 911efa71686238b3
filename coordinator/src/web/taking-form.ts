import { endOfDay, endOfWeek, sinceTime } from '@nakama/contract'
import { html } from 'htm/preact'
import { useState } from 'preact/hooks'
import type { ErrorAnswer, MachineView } from '../api/schemas.ts'
import type { View } from './view.ts'
import { type Lang, WORDS, type Words } from './words.ts'

export interface TakingFormProps {
  readonly lang: Lang
  readonly machine: MachineView
  readonly now: number
}

type Until = 'open' | 'day' | 'week'

/** 受ける / 休む, chosen and then sent: it concerns a whole shop, so one careless touch must not do it. */
export const TakingForm = ({ lang, machine, now }: TakingFormProps): View => {
  const words = WORDS[lang]
  const { taking, takingUntil, takingRequest } = machine
  const [value, setValue] = useState<boolean | undefined>(undefined)
  const [until, setUntil] = useState<Until>('open')
  const [sending, setSending] = useState(false)
  const [problem, setProblem] = useState<string | undefined>(undefined)
  const waiting = takingRequest?.status === 'waiting' ? takingRequest : undefined
  const chosen = value ?? waiting?.value ?? taking
  const inForce = taking === null ? words.takingUnknown : taking ? words.taking : words.resting
  const status = sending ? 'sending' : problem !== undefined ? 'failed' : (takingRequest?.status ?? 'in-force')

  const send = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (chosen === null) return
    setSending(true)
    setProblem(await putTaking(machine.shop, chosen, untilTime(until, now), words))
    setSending(false)
    setValue(undefined)
  }

  const choice = (option: boolean, label: string): View => html`
    <label class="choice" data-choice=${option}>
      <input type="radio" name="taking" checked=${chosen === option} onChange=${() => setValue(option)} />
      <span>${label}</span>
    </label>
  `

  return html`
    <form class="taking-form" data-taking-status=${status} onSubmit=${send}>
      <div class="taking-head">
        <h3>${words.shopTaking}</h3>
        <p>${words.takingNow(inForce, takingUntil === null ? undefined : sinceTime(Date.parse(takingUntil), now))}</p>
      </div>
      <fieldset>
        <legend class="unseen">${words.shopTaking}</legend>
        ${choice(true, words.taking)} ${choice(false, words.resting)}
      </fieldset>
      <p class="send-row">
        <label>
          ${words.howLong}
          <select value=${until} onChange=${(event: Event) => setUntil((event.target as HTMLSelectElement).value as Until)}>
            <option value="open">${words.untilFurtherNotice}</option>
            <option value="day">${words.untilEndOfDay}</option>
            <option value="week">${words.untilEndOfWeek}</option>
          </select>
        </label>
        <button type="submit" class="send" disabled=${sending || chosen === null}>
          ${sending ? words.sending : words.send}
        </button>
      </p>
      <p class="send-note" role="status">
        ${
          problem !== undefined
            ? html`<span class="bad">${words.notSent(problem)}</span>`
            : waiting !== undefined
              ? html`<span class="waiting">${words.waitingFor(waiting.value)}</span>`
              : takingRequest?.status === 'refused'
                ? html`<span class="bad">${words.refused(takingRequest.why ?? '')}</span>`
                : words.sendNote
        }
      </p>
    </form>
  `
}

const untilTime = (until: Until, now: number): string | null => {
  if (until === 'open') return null
  return new Date(until === 'day' ? endOfDay(now) : endOfWeek(now)).toISOString()
}

/** The reason when it could not be sent: our own words, or the server's for what only it can know. */
const putTaking = async (
  shop: string,
  value: boolean,
  until: string | null,
  words: Words,
): Promise<string | undefined> => {
  try {
    const response = await fetch(`/api/v1/shops/${shop}/taking`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ value, until }),
    })
    return response.ok ? undefined : ((await response.json()) as ErrorAnswer).error.message
  } catch {
    return words.unreachable
  }
}
