import { html, type Html } from './html.ts';
import type { PageAssets } from './page-assets.ts';
import { renderSparkline } from './render-sparkline.ts';
import { MARK, renderState } from './render-state.ts';
import { renderAttempts, renderServices } from './render-tables.ts';
import type { Figure, Row, StatusView, Tone } from './status-view.ts';

export interface PageFrame {
  host: string;
  /** RFC 3339 and for people, of the moment that the page shows. */
  time: string;
  clock: string;
  assets: PageAssets;
  /** Seconds between two looks, for browsers with JavaScript and without. */
  period: number;
  reload: number;
}

/**
 * The whole page, as complete without JavaScript as with it. `web/status.js` fetches it again and
 * puts the new contents of what has a `data-live` into the old page.
 */
export function renderStatus(view: StatusView, frame: PageFrame): string {
  const { assets, host } = frame;
  const { documents } = assets;
  const { tone, text } = view.headline;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <noscript><meta http-equiv="refresh" content="${frame.reload}" /></noscript>
        <title>${text} · coi-sidecar on ${host}</title>
        <link rel="icon" type="image/svg+xml" href="${assets.icons[tone].url}" />
        <link rel="stylesheet" href="${assets.style.url}" />
        <script src="${assets.script.url}" data-period="${frame.period}" defer></script>
      </head>
      <body>
        <header>
          <h1>coi-sidecar <span>${host}</span></h1>
          <p id="freshness" data-tone="quiet">
            ${MARK}<span>As of</span>
            <time id="as-of" data-live datetime="${frame.time}">${frame.clock}</time>
          </p>
        </header>
        <main>
          ${renderHeadline(view.headline)}
          <section aria-label="Figures">
            <dl id="figures" class="figures" data-live>${view.figures.map(renderFigure)}</dl>
          </section>
          <div class="columns">
            ${section(
              'roads',
              'Roads',
              html`<ul id="roads" data-live>
                ${renderRows(view.roads)}
              </ul>`,
            )}
            ${section(
              'parts',
              'Parts',
              html`<ul id="parts" data-live>
                ${renderRows(view.parts)}
              </ul>`,
            )}
          </div>
          ${section(
            'services',
            'Push services',
            html`<div id="services" data-live>
              ${renderServices(view.services, view.moreServices)}
            </div>`,
          )}
          ${section(
            'attempts',
            'Recent outcomes',
            html`<div id="attempts" data-live>${renderAttempts(view.attempts)}</div>`,
          )}
        </main>
        <footer>
          <p>
            This page shows what has happened since the start. <code>coi-sidecar doctor</code> tries
            whether a mail gets through. Documentation:
            <a href="${documents.troubleshooting.url}">what to do, by symptom</a>,
            <a href="${documents.doctor.url}">what doctor finds</a>.
          </p>
          <dl id="about" data-live>
            ${view.about.map(
              ([term, value]) =>
                html`<div>
                  <dt>${term}</dt>
                  <dd>${value}</dd>
                </div>`,
            )}
          </dl>
        </footer>
      </body>
    </html> `
    .toString()
    .replaceAll(INDENTATION, '\n');
}

/** Of the templates here; it would be a third of the page. */
const INDENTATION = /\n\s+/g;

const renderHeadline = ({ tone, text, problems }: StatusView['headline']): Html =>
  html`<section class="headline">
    <div id="headline" role="status" data-live data-tone="${tone}"><h2>${MARK}${text}</h2></div>
    <div id="problems" data-live>
      ${
        problems.length > 0 &&
        html`<ul>
          ${problems.map(({ about, says }) => html`<li><b>${about}</b> ${says}</li>`)}
        </ul>`
      }
    </div>
  </section>`;

const renderFigure = ({ name, value = '–', unit, note, tone, series, seriesLabel }: Figure): Html =>
  html`<div data-tone="${tone}">
    <dt>${name}</dt>
    <dd class="value">${value}${unit !== undefined && html` <small>${unit}</small>`}</dd>
    <dd>${renderSparkline(series, seriesLabel)}</dd>
    <dd class="note">${note}</dd>
  </div>`;

const renderRows = (rows: readonly Row[]): Html[] =>
  rows.map(
    ({ name, purpose, tone, state, detail }) =>
      html`<li>
        <h3>${name}</h3>
        ${renderState(tone, state)}
        <p>${purpose}</p>
        ${SAID_ABOVE.includes(tone) || html`<p>${detail}</p>`}
      </li>`,
  );

const SAID_ABOVE: readonly Tone[] = ['bad', 'warn'];

/** A section that has a heading and whose contents are live. */
const section = (id: string, title: string, live: Html): Html =>
  html`<section aria-labelledby="${id}-title">
    <h2 id="${id}-title">${title}</h2>
    ${live}
  </section>`;
