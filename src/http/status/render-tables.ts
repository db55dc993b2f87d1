import { html, type Html } from './html.ts';
import { renderState } from './render-state.ts';
import type { AttemptRow, ServiceRow } from './status-view.ts';
import { count } from './words.ts';

/** A name that may break before its dots and its port: on a phone it is longer than its column. */
const breakable = (name: string): Html[] =>
  name.split(/(?=[.:])/).map((part) => html`<wbr />${part}`);

/** Push services to which something is owed, or which are held back. */
export const renderServices = (services: readonly ServiceRow[]): Html =>
  services.length === 0
    ? html`<p class="empty">Nothing is owed to any push service, and none is held back.</p>`
    : html`<table>
        <thead>
          <tr>
            <th scope="col">Service</th>
            <th scope="col">State</th>
            <th scope="col" class="number">Owed</th>
            <th scope="col" class="number">Paused</th>
          </tr>
        </thead>
        <tbody>
          ${services.map(
            ({ service, tone, state, owed, paused }) =>
              html`<tr>
                <th scope="row" class="service">${breakable(service)}</th>
                <td>${renderState(tone, state)}</td>
                <td class="number">${count(owed)}</td>
                <td class="number">${paused === 0 ? '–' : count(paused)}</td>
              </tr>`,
          )}
        </tbody>
      </table>`;

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
