import { html, type Html } from './html.ts';
import { renderState } from './render-state.ts';
import type { AttemptRow, ServiceRow } from './status-view.ts';
import { count } from './words.ts';

/**
 * A name that may break before its dots and its port, because on a phone it is longer than its column;
 * and amid a part only where that alone would be too long.
 */
const breakable = (name: string): Html[] =>
  (name.match(/[.:]?[^.:]{1,20}|[.:]/g) ?? []).map((part) => html`<wbr />${part}`);

/** Push services to which something is owed, or which are held back. @param more that are not listed */
export const renderServices = (services: readonly ServiceRow[], more: number): Html =>
  services.length === 0
    ? html`<p class="empty">Nothing is owed to any push service, and none is held back.</p>`
    : html`<table>
          <thead>
            <tr>
              <th scope="col">Service</th>
              <th scope="col">State</th>
              <th scope="col" class="number">Owed</th>
              <th scope="col" class="number wide">Paused</th>
            </tr>
          </thead>
          <tbody>
            ${services.map(
              ({ service, tone, state, why, owed, paused }) =>
                html`<tr>
                  <th scope="row" class="service">${breakable(service)}</th>
                  <td>
                    ${renderState(tone, state)}
                    ${why !== '' && html`<span class="wide why">${why}</span>`}
                  </td>
                  <td class="number">${count(owed)}</td>
                  <td class="number wide">${paused === 0 ? '–' : count(paused)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
        ${more > 0 && html`<p class="empty">and ${count(more)} more</p>`}`;

/** The last push attempts, the newest first. */
export const renderAttempts = (attempts: readonly AttemptRow[]): Html =>
  attempts.length === 0
    ? html`<p class="empty">No push was attempted since the start.</p>`
    : html`<table>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Service</th>
            <th scope="col" class="wide">Push</th>
            <th scope="col">Outcome</th>
            <th scope="col" class="number wide">Took</th>
          </tr>
        </thead>
        <tbody>
          ${attempts.map(
            ({ time, ago, service, kind, tone, outcome, took }) =>
              html`<tr>
                <td><time datetime="${time}">${ago}</time></td>
                <td class="service">${breakable(service)}</td>
                <td class="wide">${kind}</td>
                <td>${renderState(tone, outcome)}</td>
                <td class="number wide">${took}</td>
              </tr>`,
          )}
        </tbody>
      </table>`;
