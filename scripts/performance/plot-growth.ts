import type { BenchRow } from '../../test/bench/bench.ts';

const WIDTH = 640;
const HEIGHT = 320;
const MARGIN = { left: 56, right: 190, top: 20, bottom: 44 };
const COLOURS = ['#0b6e99', '#b8452e', '#5a7d2a', '#7a4fa3', '#8a6d1f'];

interface Series {
  name: string;
  points: { x: number; ratio: number }[];
}

/**
 * How figures grow, as an SVG: each against its own value at the smallest size, both axes logarithmic.
 * What stays flat stands on the line at 1; what grows as its cause does rises with the dashed line.
 *
 * @param plot which rows: `point.plot`
 */
export function plotGrowth(plot: string, rows: readonly BenchRow[]): string {
  const series = seriesOf(plot, rows);
  const xs = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))];
  const ratios = series.flatMap(({ points }) => points.map(({ ratio }) => ratio));
  const [minX, maxX] = [Math.min(...xs), Math.max(...xs)];
  const [minY, maxY] = [Math.min(0.5, ...ratios), Math.max(maxX / minX, ...ratios)];
  const place = (x: number, y: number): string => `${atX(x).toFixed(1)},${atY(y).toFixed(1)}`;
  const atX = (x: number): number =>
    MARGIN.left + share(x, minX, maxX) * (WIDTH - MARGIN.left - MARGIN.right);
  const atY = (y: number): number =>
    HEIGHT - MARGIN.bottom - share(y, minY, maxY) * (HEIGHT - MARGIN.top - MARGIN.bottom);

  const ticks = [0.5, 1, 2, 5, 10, 20, 50, 100].filter((y) => y >= minY && y <= maxY);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    ...ticks.map(
      (y) =>
        `<path d="M${place(minX, y)}L${place(maxX, y)}" stroke="${y === 1 ? '#888' : '#ddd'}"/>` +
        `<text x="${MARGIN.left - 6}" y="${(atY(y) + 4).toFixed(1)}" text-anchor="end">×${y}</text>`,
    ),
    ...xs.map(
      (x) =>
        `<text x="${atX(x).toFixed(1)}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${x.toLocaleString('en')}</text>`,
    ),
    `<text x="${(atX(minX) + atX(maxX)) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${plot}</text>`,
    `<path d="M${place(minX, 1)}L${place(maxX, maxX / minX)}" stroke="#888" stroke-dasharray="4 4"/>`,
    ...series.flatMap(({ name, points }, index) => {
      const colour = COLOURS[index % COLOURS.length] ?? '#000';
      const y = MARGIN.top + 20 * index;
      return [
        `<path d="M${points.map(({ x, ratio }) => place(x, ratio)).join('L')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        ...points.map(
          ({ x, ratio }) =>
            `<circle cx="${atX(x).toFixed(1)}" cy="${atY(ratio).toFixed(1)}" r="3" fill="${colour}"/>`,
        ),
        `<text x="${WIDTH - MARGIN.right + 14}" y="${y + 4}" fill="${colour}">${name}</text>`,
      ];
    }),
    '</svg>',
    '',
  ].join('\n');
}

function seriesOf(plot: string, rows: readonly BenchRow[]): Series[] {
  const all = new Map<string, Series>();
  for (const { point, value, ratio } of rows) {
    if (point?.plot !== plot || value === undefined) continue;
    const series = all.get(point.series) ?? { name: point.series, points: [] };
    all.set(point.series, series);
    series.points.push({ x: point.x, ratio: ratio ?? 1 });
  }
  return [...all.values()];
}

const share = (value: number, least: number, most: number): number =>
  Math.log(value / least) / Math.log(most / least);
