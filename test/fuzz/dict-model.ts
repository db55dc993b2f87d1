import type { Chance } from './chance.ts';
import { DictConnection } from './dict-connection.ts';
import type { Target } from './door.ts';
import { escapeField } from './doors/dict-doors.ts';
import { Finding } from './finding.ts';

type Entries = Map<string, Buffer>;

/** A change, and what it makes of the entries; undefined where the whole transaction must fail. */
interface Step {
  line: string;
  apply: (entries: Entries) => 'missing' | 'refused' | undefined;
}

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

/** So many keys of one user: a limit on annotations is none of this model's business. */
const MOST_KEYS = 120;

/**
 * What one user's annotations have to be, octet by octet, and the client that makes them so: it speaks
 * the dict protocol as Dovecot does, one transaction at a time, and reads replies with the model of
 * Dovecot's client. `shared/` keys are everybody's, so that each user here has a mailbox of its own.
 */
export class DictModel {
  readonly user: string;
  #transactions = 0;
  readonly #guid: string;
  #entries: Entries = new Map();
  /** What they are if the transaction under way took place: nobody said so before the end. */
  #perhaps: Entries | undefined;

  constructor(index: number) {
    this.user = `model${index}@example.org`;
    this.#guid = index.toString(16).padStart(32, 'c');
  }

  /** How many transactions since it was last asked. */
  takeCount(): number {
    const count = this.#transactions;
    this.#transactions = 0;
    return count;
  }

  /** Sets, removes, adds and asks, until `running` says no more. @throws Finding */
  async exercise(chance: Chance, target: Target, running: () => boolean): Promise<void> {
    while (running()) {
      const client = new DictConnection(target.dictSocket);
      try {
        for (let left = 40; left > 0 && running(); left--) {
          if (!(await this.#transact(chance, client))) return;
          await this.#ask(chance, client);
        }
      } finally {
        client.end();
      }
    }
  }

  /** Reads everything and compares it. @throws Finding something differs */
  async compare(target: Target): Promise<void> {
    const client = new DictConnection(target.dictSocket);
    const found: Entries = new Map();
    for (const scope of ['priv', 'shared']) {
      const reply = await client.command(`I1\t0\t${scope}/${this.#guid}/\t${this.user}`, true);
      if (reply === undefined) throw new Finding('dict model', 'the connection broke');
      for (const [key = '', value = ''] of reply.rows) {
        found.set(Buffer.from(key, 'latin1').toString(), Buffer.from(value, 'latin1'));
      }
    }
    client.end();
    const difference = differ(this.#entries, found);
    if (difference !== undefined && (this.#perhaps === undefined || differ(this.#perhaps, found))) {
      throw new Finding('dict model', `${this.user}: ${difference}`);
    }
    this.#entries = found;
    this.#perhaps = undefined;
  }

  /** @returns false when the connection broke and nobody knows */
  async #transact(chance: Chance, client: DictConnection): Promise<boolean> {
    this.#transactions += 1;
    const scope = chance.oneIn(4) ? 'shared' : 'priv';
    const steps = [this.#step(chance, scope), ...chance.some(4, () => this.#step(chance, scope))];
    const changed: Entries = new Map(this.#entries);
    let outcome: 'missing' | 'refused' | undefined;
    for (const { apply } of steps) outcome ??= apply(changed);
    const id = 1 + chance.below(1_000_000);
    const lines = steps.map(({ line }) => line.replace('#', String(id)));
    if (chance.oneIn(10)) {
      await client.send([`B${id}\t${this.user}`, ...lines, `R${id}`]);
      return true;
    }
    await client.send([`B${id}\t${this.user}`, ...lines]);
    this.#perhaps = outcome === undefined ? changed : undefined;
    const reply = await client.command(`C${id}`, false);
    if (reply === undefined) return false;
    this.#perhaps = undefined;
    const wanted = outcome === undefined ? 'O' : outcome === 'missing' ? 'N' : 'F';
    if (reply.letter !== wanted || reply.fields[0] !== String(id)) {
      const got = reply.letter + reply.fields.join(' ');
      throw new Finding(
        'dict reply',
        `${wanted}${id} expected, and ${got} came: ${lines.join('\n')}`,
      );
    }
    if (outcome === undefined) this.#entries = changed;
    return true;
  }

  #step(chance: Chance, scope: string): Step {
    const known = [...this.#entries.keys()].filter((key) => key.startsWith(scope));
    const name = `${chance.pick(['comment', 'vendor/x', 'vendor/vendor.dovecot/pvt/y'])}/${escapable(chance)}`;
    const isKnown = known.length > 0 && (known.length >= MOST_KEYS || chance.oneIn(2));
    const key = isKnown ? chance.pick(known) : `${scope}/${this.#guid}/${name}`;
    const field = latin(escapeField(key));
    const kind = chance.below(10);
    if (kind < 2) return { line: `U#\t${field}`, apply: (entries) => void entries.delete(key) };
    if (kind < 3) {
      const by = chance.pick([1, -1, 2 ** 53 - 1, 0, -7]);
      return { line: `A#\t${field}\t${by}`, apply: (entries) => increment(entries, key, by) };
    }
    const value = chance.pick([
      () => chance.octets(300),
      () => Buffer.from(String(chance.pick([0, 7, -7, 2 ** 53 - 1, '9223372036854775807', '01']))),
      () => Buffer.alloc(chance.oneIn(20) ? chance.below(30_000) : 3, chance.below(256)),
    ])();
    const octets = latin(escapeField(value.toString('latin1')), 'latin1');
    return { line: `S#\t${field}\t${octets}`, apply: (entries) => void entries.set(key, value) };
  }

  async #ask(chance: Chance, client: DictConnection): Promise<void> {
    const keys = [...this.#entries.keys()];
    const key = keys.length > 0 && chance.oneIn(2) ? chance.pick(keys) : `priv/${this.#guid}/none`;
    const reply = await client.command(`L${latin(escapeField(key))}\t${this.user}`, false);
    if (reply === undefined) return;
    const value = this.#entries.get(key);
    const got = reply.letter === 'O' ? Buffer.from(reply.fields[0] ?? '', 'latin1') : undefined;
    const isRight = value === undefined ? reply.letter === 'N' : got?.equals(value) === true;
    if (!isRight) throw new Finding('dict reply', `a lookup of ${JSON.stringify(key)} is wrong`);
  }
}

/** Text as the latin1 form of its octets: lines are put together of them. */
const latin = (text: string, encoding: BufferEncoding = 'utf8'): string =>
  Buffer.from(text, encoding).toString('latin1');

const escapable = (chance: Chance): string => chance.text(40).toWellFormed().slice(0, 2_000);

function increment(entries: Entries, key: string, by: number): 'missing' | 'refused' | undefined {
  const old = entries.get(key);
  if (old === undefined) return 'missing';
  const text = old.toString('latin1');
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(text)) return 'refused';
  const sum = BigInt(text) + BigInt(by);
  if (sum < MIN || sum > MAX) return 'refused';
  entries.set(key, Buffer.from(sum.toString()));
  return undefined;
}

function differ(wanted: Entries, found: Entries): string | undefined {
  for (const [key, value] of wanted) {
    const other = found.get(key);
    if (other === undefined) return `${JSON.stringify(key)} is missing`;
    if (!other.equals(value)) return `${JSON.stringify(key)} has other octets`;
  }
  const extra = [...found.keys()].find((key) => !wanted.has(key));
  return extra === undefined ? undefined : `${JSON.stringify(extra)} was never set`;
}
