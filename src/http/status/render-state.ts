import { html, type Html } from './html.ts';
import type { Tone } from './status-view.ts';

/** A shape of its own for each tone, drawn by the style sheet; the words beside it say the same. */
export const MARK = html`<span class="mark" aria-hidden="true"></span>`;

export const renderState = (tone: Tone, state: string): Html =>
  html`<span class="state" data-tone="${tone}">${MARK}${state}</span>`;
