import { html, render } from 'htm/preact'
import { App } from './app.ts'

const root = document.getElementById('board')
if (root !== null) render(html`<${App} />`, root)
