import type { StateCode } from '@nakama/contract'
import { html } from 'htm/preact'
import type { View } from './view.ts'

/** One shape per state, so that nobody has to tell colours apart. Drawn on 24 × 24, in the colour of the text around. */
export const StateIcon = ({ state, free }: { state: StateCode; free: boolean }): View => html`
  <svg class="icon" data-sign=${free ? 'FREE' : state} viewBox="0 0 24 24" aria-hidden="true">${free ? FREE : SHAPES[state]}</svg>
`

/** Ring in ring: ◎, the mark for "very good". */
const FREE = html`
  <circle cx="12" cy="12" r="9.5" fill="none" stroke="currentColor" stroke-width="3" />
  <circle cx="12" cy="12" r="4" fill="currentColor" />
`

const SHAPES: { readonly [state in StateCode]: View } = {
  RUNNING: html`<path d="M6 3.2v17.6a1 1 0 0 0 1.5.9l14-8.8a1 1 0 0 0 0-1.8l-14-8.8A1 1 0 0 0 6 3.2z" fill="currentColor" />`,
  PAUSED: html`<path d="M4 3h6v18H4zM14 3h6v18h-6z" fill="currentColor" />`,
  SETUP: html`<path
    d="M12 1.5 21 6.7v10.6l-9 5.2-9-5.2V6.7zM12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z"
    fill="currentColor"
    fill-rule="evenodd"
  />`,
  IDLE: html`<circle cx="12" cy="12" r="9" fill="none" stroke="currentColor" stroke-width="2.5" stroke-dasharray="4.2 2.9" />`,
  ALARM: html`<path
    d="M12 1.5 23.5 22H.5zM10.7 8.5l.4 7h1.8l.4-7zM12 16.9a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3z"
    fill="currentColor"
    fill-rule="evenodd"
  />`,
  OFF: html`<path
    d="M12 2v9M6.2 5.6a9 9 0 1 0 11.6 0"
    fill="none"
    stroke="currentColor"
    stroke-width="3"
    stroke-linecap="round"
  />`,
  OFFLINE: html`<path
    d="M2 8.5a15 15 0 0 1 20 0M5.6 12.6a9.6 9.6 0 0 1 12.8 0M9 16.5a4.7 4.7 0 0 1 6 0M12 20.3v.1M3 21.5 21 2.5"
    fill="none"
    stroke="currentColor"
    stroke-width="2.6"
    stroke-linecap="round"
  />`,
}

export const Logo = (): View => html`
  <svg class="logo" viewBox="0 0 64 64" aria-hidden="true">
    <circle cx="32" cy="35" r="20" class="logo-ring" />
    <circle cx="32" cy="14" r="11" class="logo-free" />
    <circle cx="14" cy="46" r="10" class="logo-shop" />
    <circle cx="50" cy="46" r="10" class="logo-shop" />
  </svg>
`

export const PhoneIcon = (): View => html`
  <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
    <path
      d="M6.6 2.5 9.6 8 7.4 10.3c1.2 2.6 3.7 5.1 6.3 6.3L16 14.4l5.5 3c-.2 2.3-2 4.1-4.3 4.1C9.6 21.5 2.5 14.4 2.5 6.8c0-2.3 1.8-4.1 4.1-4.3z"
      fill="currentColor"
    />
  </svg>
`
