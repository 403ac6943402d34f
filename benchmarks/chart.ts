import type { Outcome } from './measure.ts';
import { formatRatio, formatTime, type Report } from './report.ts';

const WIDTH = 760;
const LABELS = 230;
const BARS = 360;
const ROW = 20;
const HEADING = 34;

/** One bar for each contender, its length the logarithm of the time: rivals differ by orders of magnitude. */
export function drawChart(reports: readonly Report[], caption: string): string {
  const outcomes = reports.flatMap((report) => report.outcomes);
  let top = 30;
  const drawn = outcomes.map((outcome) => {
    const text = drawOutcome(outcome, top);
    top += HEADING + outcome.figures.length * ROW + 14;
    return text;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${top + 10}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="12" y="20" fill="#666">${escape(caption)}</text>`,
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}

function drawOutcome({ title, operation, figures }: Outcome, top: number): string {
  const shortest = Math.log10(Math.min(...figures.map(({ medianNs }) => medianNs))) - 0.5;
  const longest = Math.log10(Math.max(...figures.map(({ medianNs }) => medianNs)));
  const rows = figures.map(({ name, medianNs, ratio }, at) => {
    const y = top + HEADING + at * ROW;
    const length = Math.max(2, (BARS * (Math.log10(medianNs) - shortest)) / Math.max(longest - shortest, 0.1));
    const label = at === 0 ? formatTime(medianNs) : `${formatTime(medianNs)} (${formatRatio(ratio)})`;
    return [
      `<text x="${LABELS - 8}" y="${y + 13}" text-anchor="end">${escape(name)}</text>`,
      `<rect x="${LABELS}" y="${y + 3}" width="${length.toFixed(1)}" height="${ROW - 6}" fill="${at === 0 ? '#c2410c' : '#94a3b8'}"/>`,
      `<text x="${(LABELS + length + 6).toFixed(1)}" y="${y + 13}" fill="#444">${escape(label)}</text>`,
    ].join('\n');
  });
  const heading = `${title}: time per ${operation}, logarithmic, shorter is better`;
  return [`<text x="12" y="${top + 22}" font-weight="600">${escape(heading)}</text>`, ...rows].join('\n');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
