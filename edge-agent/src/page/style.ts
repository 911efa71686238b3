import { STATES } from '@nakama/contract'

/** For a phone held in a shop: large, dark on light or light on dark as the phone has it. */
export const STYLE = `
:root { --paper: #edf0f4; --card: #fff; --ink: #14202e; --soft: #475465; --line: #d3dae3; --bad: #b32424; --press: #10233f; --press-ink: #fff }
@media (prefers-color-scheme: dark) {
  :root { --paper: #0b121b; --card: #18232f; --ink: #eaf0f7; --soft: #a9b8c9; --line: #2b3949; --bad: #ff9a92; --press: #eaf0f7; --press-ink: #14202e }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: .75rem; max-width: 44rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 'Noto Sans CJK JP', 'Hiragino Sans', 'Yu Gothic', sans-serif }
h1 { font-size: 1.15rem; margin: 0 0 .5rem } h2 { font-size: 1.1rem; margin: 0 }
small { font-size: .8em; font-weight: normal; color: var(--soft) }
p { margin: .25rem 0 } [data-good='false'] dd, td[data-good='false'] { color: var(--bad) }
#silent, .stop { background: #ffd21f; color: #1a1400; padding: .5rem .75rem; border-radius: .5rem } #silent small, .stop * { color: inherit }
th { white-space: nowrap }
.taking { font-size: 1.3rem; font-weight: bold; padding: .6rem .75rem; border-radius: .5rem; background: #1a66bd; color: #fff }
.taking[data-taking='false'] { background: #5c6672 } .taking small { color: inherit }
article, form, dl { background: var(--card); border-radius: .5rem; margin: .6rem 0; padding: .75rem; border-left: .6rem solid var(--line) }
body { display: flex; flex-direction: column } #live { display: contents }
/* The form stays while the rest is shown anew, and still has its place behind what it changes. */
form { order: 1; margin: 0 } article { order: 2 } dl { order: 3 } .now { order: 4 } footer { order: 5 }
summary { min-height: 2.2rem; padding: .3rem 0; cursor: pointer; color: var(--soft) }
article { border-left-color: var(--state) }
.state { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline } .state b { font-size: 1.4rem }
.why { overflow-wrap: anywhere } .read, .now, footer { color: var(--soft); font-size: .85rem }
table { border-collapse: collapse; width: 100%; margin: .4rem 0; font-size: .9rem }
th, td { text-align: left; padding: .15rem .5rem .15rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere }
th { font-weight: normal; color: var(--soft) } td { text-align: right; padding-right: 0; font-variant-numeric: tabular-nums }
[data-decides='true'] th { color: var(--ink); font-weight: bold }
dl div { display: flex; justify-content: space-between; gap: 1rem; border-top: 1px solid var(--line); padding: .3rem 0 } dl div:first-child { border-top: 0 }
dt { color: var(--soft) } dd { margin: 0; text-align: right }
form div { display: grid; grid-template-columns: 1fr 1fr; gap: .6rem; margin: .6rem 0 }
select, button { font: inherit; min-height: 3rem; border-radius: .5rem; border: 1px solid var(--line); width: 100%; background: var(--card); color: var(--ink) }
button { background: var(--press); color: var(--press-ink); font-weight: bold; font-size: 1.1rem } button small { color: inherit }
${Object.entries(STATES)
  .map(([code, { colour }]) => `[data-state='${code}'] { --state: ${colour} }`)
  .join('\n')}
[data-state='OFFLINE'] { border-left-style: dashed }
`

/** Shows the live part anew, and says so when nothing answers. */
export const SCRIPT = `
const live = document.getElementById('live')
const silent = document.getElementById('silent')
const renew = async () => {
  try {
    const answer = await fetch('/live', { signal: AbortSignal.timeout(5000) })
    if (!answer.ok) throw new Error(answer.status)
    const open = [...live.querySelectorAll('details[open]')].map(one => one.id)
    live.innerHTML = await answer.text()
    for (const id of open) document.getElementById(id)?.setAttribute('open', '')
    silent.hidden = true
  } catch {
    silent.hidden = false
  }
  setTimeout(renew, 2000)
}
setTimeout(renew, 2000)
`
