import { html } from 'htm/preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { MachineView, TimelineAnswer } from '../api/schemas.ts'
import { Day, Recent } from './day.ts'
import { PhoneIcon, StateIcon } from './icons.ts'
import { keyOf } from './model.ts'
import { TakingForm } from './taking-form.ts'
import { sinceText, stateLabel, TakingBadge, telephone } from './tile.ts'
import type { View } from './view.ts'
import { kindName, type Lang, named, WORDS } from './words.ts'

export interface PanelProps {
  readonly lang: Lang
  readonly machine: MachineView
  readonly now: number
  /** What the board says above all, and what this dialog would cover. */
  readonly notice: View
  readonly onClose: () => void
}

const RENEW_MS = 60_000

/** One machine at length: whom to call, its last day, and whether its shop takes work. A modal dialog, so that Escape closes it. */
export const Panel = ({ lang, machine, now, notice, onClose }: PanelProps): View => {
  const words = WORDS[lang]
  const dialog = useRef<HTMLDialogElement>(null)
  const day = useDay(machine)
  useEffect(() => dialog.current?.showModal(), [])
  const closeOnBackdrop = (event: MouseEvent): void => {
    if (event.target === dialog.current) dialog.current?.close()
  }
  return html`
    <dialog
      ref=${dialog}
      class="panel"
      data-panel=${keyOf(machine)}
      aria-labelledby="panel-title"
      onClose=${onClose}
      onClick=${closeOnBackdrop}
    >
      ${notice}
      <div class="panel-body" data-state=${machine.state} data-free=${machine.free} data-taking=${String(machine.taking)}>
        <header class="panel-head">
          <p class="panel-kind">${kindName(machine.kind, lang)}</p>
          <button type="button" class="close" onClick=${() => dialog.current?.close()}>${words.close}</button>
          <h2 id="panel-title">
            ${named(machine.shopName, machine.shopNameEn, lang)}
            <small>${named(machine.machineName, machine.machineNameEn, lang)}</small>
          </h2>
          <p class="panel-place">
            ${named(machine.area, machine.areaEn, lang)}・${named(machine.town, machine.townEn, lang)}
          </p>
        </header>
        <p class="panel-state">
          <span class="lamp"><${StateIcon} state=${machine.state} free=${machine.free} /></span>
          <b>${stateLabel(machine, lang)}</b>
          <${TakingBadge} machine=${machine} lang=${lang} />
          ${machine.takingRequest?.status === 'waiting' && html`<span class="waiting">${words.waiting}</span>`}
          <span class="panel-since">${sinceText(machine, now, lang)}</span>
        </p>
        ${
          machine.phone === null
            ? html`<p class="panel-nophone">${words.noPhone}</p>`
            : html`<a class="panel-phone" href=${telephone(machine.phone)}><${PhoneIcon} />${words.call} ${machine.phone}</a>`
        }
        <section>
          <h3>${words.last24h}</h3>
          ${
            day === 'failed'
              ? html`<p>${words.noHistory}</p>`
              : day === undefined
                ? html`<p>${words.loading}</p>`
                : html`<${Day} lang=${lang} day=${day} />`
          }
        </section>
        <${TakingForm} key=${machine.shop} lang=${lang} machine=${machine} now=${now} />
        ${
          day !== undefined &&
          day !== 'failed' &&
          html`
            <section>
              <h3>${words.recent}</h3>
              <${Recent} lang=${lang} day=${day} />
            </section>
          `
        }
      </div>
    </dialog>
  `
}

/** The last 24 hours, read again every minute and whenever the machine's state changes. */
const useDay = ({ shop, machine, state }: MachineView): TimelineAnswer | 'failed' | undefined => {
  const [day, setDay] = useState<TimelineAnswer | 'failed' | undefined>(undefined)
  useEffect(() => {
    let wanted = true
    const read = async (): Promise<void> => {
      const answer = await fetchDay(shop, machine)
      if (wanted) setDay(before => answer ?? before ?? 'failed')
    }
    void read()
    const timer = setInterval(read, RENEW_MS)
    return () => {
      wanted = false
      clearInterval(timer)
    }
  }, [shop, machine, state])
  return day
}

const fetchDay = async (shop: string, machine: string): Promise<TimelineAnswer | undefined> => {
  try {
    const response = await fetch(`/api/v1/machines/${shop}/${machine}/timeline`)
    return response.ok ? ((await response.json()) as TimelineAnswer) : undefined
  } catch {
    return undefined
  }
}
