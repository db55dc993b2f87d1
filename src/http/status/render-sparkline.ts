import { html, type Html } from './html.ts';
import type { ByMinute } from './series.ts';

const HEIGHT = 24;
const STEP = 4;
const WIDTH = 3;
/** What is more than nothing is to be seen, however much more the others are. */
const LEAST = 2;

/**
 * One bar a minute, as tall as its share of the tallest, and none before the process began.
 *
 * @param label the same in words
 */
export function renderSparkline(series: ByMinute, label: string): Html {
  const most = Math.max(0, ...series.map((value = 0) => value));
  const width = series.length * STEP - (STEP - WIDTH);
  const bars = series.map((value, index) => {
    if (value === undefined) return undefined;
    const height = value === 0 ? 1 : Math.max(LEAST, Math.round((HEIGHT * value) / most));
    const kind = value === 0 ? 'none' : 'some';
    return html`<rect
      class="${kind}"
      x="${index * STEP}"
      y="${HEIGHT - height}"
      width="${WIDTH}"
      height="${height}"
    />`;
  });
  return html`<svg
    class="spark"
    role="img"
    aria-label="${label}"
    viewBox="0 0 ${width} ${HEIGHT}"
    preserveAspectRatio="none"
  >
    ${bars}
  </svg>`;
}
