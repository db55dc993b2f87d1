/*
 * Attacks the service through all of its doors with generated inputs, over and over the same state:
 *   npm run test:fuzz -- [--minutes 3] [--seed N] [--round 1] [--round-seconds 10]
 *     [--minimise-seconds 60] [--door NAME]… [--known KIND]…
 * With COI_FUZZ_STORE=redis://… what users set is in that Redis, which is to be empty, and not in a file.
 * Prints what was sent and found; ends with 1 when something was found, and keeps the state then. An
 * input is one request, dict session, script request, event, annotation, answer of a push service,
 * configuration file or import file; the transactions of the dict's model come on top.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { runCampaign, type CampaignReport } from './campaign.ts';
import { ANNOTATION_DOORS } from './doors/annotation-doors.ts';
import { DICT_DOORS } from './doors/dict-doors.ts';
import { eventLogDoor } from './doors/event-log-door.ts';
import { FILE_DOORS } from './doors/file-doors.ts';
import { heldDoor } from './doors/held-door.ts';
import { HTTP_DOORS } from './doors/http-doors.ts';
import { scriptDoor } from './doors/script-door.ts';
import { KNOWN } from './finding.ts';

const ALL_DOORS = [
  ...[
    ...HTTP_DOORS,
    ...DICT_DOORS,
    scriptDoor,
    eventLogDoor,
    heldDoor,
    ...ANNOTATION_DOORS,
    ...FILE_DOORS,
  ],
];

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
    round: { type: 'string', default: '1' },
    'round-seconds': { type: 'string', default: '10' },
    'minimise-seconds': { type: 'string', default: '60' },
    known: { type: 'string', multiple: true, default: [] },
    door: { type: 'string', multiple: true },
  },
});

const doors = ALL_DOORS.filter(({ name }) => values.door?.includes(name) ?? true);
if (doors.length === 0) {
  console.error(`no such door; there are: ${ALL_DOORS.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
// YAML's own, about nearly every configuration file of ours.
process.removeAllListeners('warning');
const seed = Number(values.seed);
console.log(`fuzz: seed ${seed}, ${values.minutes} min, ${doors.length} doors`);
const report = await runCampaign({
  seed,
  doors,
  known: new Set([...KNOWN.keys(), ...values.known]),
  minutes: Number(values.minutes),
  round: Number(values.round),
  roundSeconds: Number(values['round-seconds']),
  minimiseSeconds: Number(values['minimise-seconds']),
  say: (words) => console.error(words),
});
print(report);
process.exitCode = report.faults.length === 0 && report.rounds > 0 ? 0 : 1;

function print({ inputs, faults, known, memory, log, ...rest }: CampaignReport): void {
  const all = [...inputs.values()].reduce((sum, count) => sum + count, 0);
  const rows = {
    ...Object.fromEntries(inputs),
    'inputs in all': `${all} (${(all / rest.seconds).toFixed(0)} a second)`,
    'transactions compared with the model': rest.transactions,
    'pushes answered by the hostile service': rest.answers,
    'restarts over the state left': rest.rounds,
    'memory before / after / most': `${memory.before} / ${memory.after} / ${memory.most} MiB`,
    'longest stall of the event loop': `${rest.longestStallMsecs.toFixed(0)} ms`,
    'log lines / octets': `${log.lines} / ${log.octets}`,
  };
  for (const [name, value] of Object.entries(rows)) {
    console.log(`| ${name.padEnd(40)} | ${String(value).padEnd(28)} |`);
  }
  for (const { finding, round, dir, smallest } of faults) {
    console.log(`\nFOUND ${finding.message}`);
    console.log(`again: npm run test:fuzz -- --seed ${seed} --round ${round}; kept: ${dir}`);
    console.log(`smallest input: ${smallest}`);
  }
  for (const [kind, count] of known) console.log(`known, and found ${count} times: ${kind}`);
  const verdict = faults.length === 0 ? 'nothing found' : `${faults.length} faults found`;
  console.log(
    `fuzz: ${verdict}; seed ${seed}, ${rest.rounds} rounds, ${all} inputs, ${rest.seconds.toFixed(0)} s`,
  );
}
