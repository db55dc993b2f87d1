import type { ByMinute } from './series.ts';

/** How something is, in four steps; each shows by word, mark and colour. */
export type Tone = 'good' | 'warn' | 'bad' | 'quiet';

/** Everything that the status page says, before it is put into words of HTML. */
export interface StatusView {
  headline: { tone: Tone; text: string; problems: { about: string; says: string }[] };
  figures: Figure[];
  roads: Row[];
  parts: Row[];
  services: ServiceRow[];
  /** Push services that are not among them. */
  moreServices: number;
  attempts: AttemptRow[];
  about: [term: string, value: string][];
}

export interface Figure {
  name: string;
  /** As it stands there; undefined when there is nothing to show. */
  value: string | undefined;
  unit?: string;
  note: string;
  tone: Tone;
  series: ByMinute;
  /** The series in words. */
  seriesLabel: string;
}

export interface Row {
  name: string;
  /** What it is for. */
  purpose: string;
  tone: Tone;
  state: string;
  /** Why, or how much; may be empty. Of what is warn or bad, the headline says it. */
  detail: string;
}

export interface ServiceRow {
  /** The push service's origin, `https://` left out. */
  service: string;
  tone: Tone;
  state: string;
  /** How its last attempt failed; empty where nothing is wrong. */
  why: string;
  owed: number;
  /** Subscriptions that their push service asked to be left alone for a while. */
  paused: number;
}

export interface AttemptRow {
  /** RFC 3339. */
  time: string;
  ago: string;
  /** message, validation or test */
  kind: string;
  service: string;
  tone: Tone;
  outcome: string;
  took: string;
}
