import type { StateCode } from '@nakama/contract'
import { clockTime, durationText, hourMarks, sinceTime } from '@nakama/contract'
import { html } from 'htm/preact'
import type { TimelineAnswer } from '../api/schemas.ts'
import { StateIcon } from './icons.ts'
import { joinStretches, sumByState } from './stretches.ts'
import type { View } from './view.ts'
import { hourName, type Lang, stateName, WORDS } from './words.ts'

const MARK_HOURS = 3
const RECENT_MAX = 8
/** A stretch of less than this share of the day has no room for its name. */
const LABEL_MIN_PERCENT = 11

/** A machine's last day as a bar, with its hours per state and its latest changes in words beside the colours. */
export const Day = ({ lang, day }: { lang: Lang; day: TimelineAnswer }): View => {
  const words = WORDS[lang]
  const from = Date.parse(day.from)
  const to = Date.parse(day.to)
  const percent = (ms: number): number => ((ms - from) / (to - from)) * 100
  const stretches = joinStretches(day.intervals)
  const sums = sumByState(stretches)
  const spoken = sums
    .map(({ state, ms }) => `${stateName(state, lang)} ${durationText(ms, lang)}`)
    .join(lang === 'ja' ? '、' : ', ')
  return html`
    <div class="day" data-day role="img" aria-label="${words.last24h}: ${spoken}">
      <div class="day-bar">
        ${stretches.map(({ from: start, to: end, state }) => {
          const width = percent(end) - percent(start)
          return html`
            <span
              key=${start}
              class="day-stretch"
              data-state=${state}
              title=${`${clockTime(start)}–${clockTime(end)} ${stateName(state, lang)}`}
              style=${{ left: `${percent(start)}%`, width: `${width}%` }}
            >
              ${width >= LABEL_MIN_PERCENT && shortName(state, lang)}
            </span>
          `
        })}
      </div>
      <div class="day-hours">
        ${hourMarks(from, to, MARK_HOURS).map(
          at => html`<span key=${at} style=${{ left: `${percent(at)}%` }}>${hourName(at, lang)}</span>`,
        )}
      </div>
    </div>
    <ul class="sums" role="list">
      ${sums.map(
        ({ state, ms }) => html`
          <li key=${state} data-state=${state}>
            <span class="lamp"><${StateIcon} state=${state} free=${false} /></span>
            ${shortName(state, lang)} <b>${durationText(ms, lang)}</b>
          </li>
        `,
      )}
      <li class="sums-observed">
        ${words.observed} <b>${day.observed === null ? '–' : `${Math.round(day.observed * 100)}%`}</b>
      </li>
    </ul>
  `
}

/** The latest changes, newest first: what a reader hears who cannot see the bar. */
export const Recent = ({ lang, day }: { lang: Lang; day: TimelineAnswer }): View => {
  const now = Date.parse(day.to)
  const latest = joinStretches(day.intervals).slice(-RECENT_MAX).toReversed()
  return html`
    <ol class="recent" role="list">
      ${latest.map(
        ({ from, to, state }, i) => html`
          <li key=${from} data-state=${state}>
            <span class="recent-time">${sinceTime(from, now)}–${i === 0 ? WORDS[lang].nowWord : clockTime(to)}</span>
            <span class="lamp"><${StateIcon} state=${state} free=${false} /></span>
            <b>${shortName(state, lang)}</b>
            <span>${durationText(to - from, lang)}</span>
          </li>
        `,
      )}
    </ol>
  `
}

/** Of the past nobody can say that it was free: whether the shop took work then is not in the timeline. */
const shortName = (state: StateCode, lang: Lang): string =>
  state === 'IDLE' ? WORDS[lang].idleResting : stateName(state, lang)
