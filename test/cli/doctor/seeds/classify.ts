import { chmod, copyFile, mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { DoctorRig, Examination } from '../../../support/doctor-rig.ts';
import { startScriptStandIn } from '../../../support/script-stand-in.ts';
import { notRoot } from '../../../support/unprivileged.ts';
import type { Examine, Seed } from '../seeded-faults.ts';
import { withMode, withoutPath, withText } from './change-for-a-while.ts';
import { leaveDeadSocket } from './leave-dead-socket.ts';
import { OWN_UIDS } from './own-uids.ts';
import { lmtpPlugins, withoutModules } from './mail-plugins.ts';

const script = ({ stage }: DoctorRig): string => join(stage.dovecot.layout.coiDir, 'coi.sieve');
const program = ({ stage }: DoctorRig): string =>
  join(stage.dovecot.layout.coiDir, 'bin', 'coi-classify');
const settings = ({ stage }: DoctorRig): string =>
  join(stage.dovecot.layout.coiDir, 'classify.conf');

/** Settings of Sieve's that both versions have by the same name. */
const sieve = ({ stage }: DoctorRig, ...lines: string[]): Examination => ({
  dovecot: stage.dovecot.version === '2.3' ? `plugin {\n${lines.join('\n')}\n}` : lines.join('\n'),
});

/** One element of a list of Sieve's; nothing takes away the one that is there. */
const list = (rig: DoctorRig, name: string, element: string, add: boolean): Examination =>
  rig.stage.dovecot.version === '2.3'
    ? sieve(rig, `${name} = ${add ? `+${element}` : ''}`)
    : sieve(rig, `${name} {\n  ${element} = ${add ? 'yes' : 'no'}\n}`);

const beforeScript = (rig: DoctorRig, path: string): Examination =>
  rig.stage.dovecot.version === '2.3'
    ? sieve(rig, `sieve_before = file:${path}`)
    : sieve(rig, `sieve_script coi {\n  path = ${path}\n}`);

/** The way over HTTP, which this stage does not use by itself. */
const byProgram = (rig: DoctorRig, binDir = join(rig.stage.dovecot.layout.coiDir, 'bin')) =>
  sieve(rig, 'sieve_execute_socket_dir =', `sieve_execute_bin_dir = ${binDir}`);

/** A directory of sockets below base_dir, as Sieve wants it. */
async function socketDir(rig: DoctorRig, name: string) {
  const path = join(rig.stage.dovecot.layout.sidecarDir, name, 'coi-classify');
  await mkdir(join(path, '..'), { recursive: true });
  const examination: Examination = {
    ...sieve(rig, `sieve_execute_socket_dir = ../coi-sidecar/${name}`),
    config: { sieve: { socket: path } },
  };
  return { path, examination };
}

/** A coi.sieve that says something else, compiled as it should be. */
async function withOwnScript(rig: DoctorRig, change: (text: string) => string, examine: Examine) {
  const dir = join(rig.stage.dovecot.layout.coiDir, 'own');
  await mkdir(dir, { recursive: true });
  const path = join(dir, 'coi.sieve');
  await writeFile(path, change(await readFile(script(rig), 'utf8')));
  await rig.stage.dovecot.runProgram('sievec', [path]);
  return examine(beforeScript(rig, path));
}

export const classifyFaults: readonly Seed[] = [
  {
    fault: 'sieve.no-extprograms',
    break: (rig) => list(rig, 'sieve_plugins', 'sieve_extprograms', false),
  },
  {
    fault: 'sieve.not-global',
    break: (rig) => list(rig, 'sieve_global_extensions', 'vnd.dovecot.execute', false),
  },
  {
    fault: 'sieve.open-to-users',
    break: (rig) => list(rig, 'sieve_extensions', 'vnd.dovecot.execute', true),
  },
  { fault: 'sieve.no-way', break: (rig) => sieve(rig, 'sieve_execute_socket_dir =') },
  {
    fault: 'sieve.no-script',
    versions: ['2.4'],
    break: async (rig, examine) => {
      const other = join(rig.dir, 'other.sieve');
      await writeFile(other, 'keep;\n');
      return examine(beforeScript(rig, other));
    },
  },
  {
    fault: 'sieve.no-script',
    cause: 'as an empty line takes it out',
    versions: ['2.3'],
    break: (rig) => sieve(rig, 'sieve_before ='),
  },
  {
    fault: 'sieve.displaced',
    cause: 'by another that has the same name',
    versions: ['2.3'],
    says: /^the "before" scripts of Sieve are \S+other\.sieve, and none is coi\.sieve/,
    break: async (rig, examine) => {
      const other = join(rig.dir, 'other.sieve');
      await writeFile(other, 'keep;\n');
      return examine(beforeScript(rig, other));
    },
  },
  { fault: 'sieve.script-missing', break: (rig) => beforeScript(rig, '/nowhere/coi.sieve') },
  {
    fault: 'sieve.script-unreadable',
    says: /coi\.sieve \(0600/,
    skip: notRoot,
    break: (rig, examine) => withMode(0o600)(script(rig), examine),
  },
  {
    fault: 'sieve.script-outdated',
    break: (rig, examine) => withText((text) => `${text}# older\n`)(script(rig), examine),
  },
  {
    fault: 'sieve.wrong-guess',
    says: /guesses COI\/Chats, but the service files chat into Chat\/Chats/,
    break: () => ({ config: { coi: { mailbox_root: 'Chat' } } }),
  },
  {
    fault: 'sieve.not-compiled',
    says: /coi\.svbin is not there/,
    break: (rig, examine) => withoutPath(script(rig).replace('.sieve', '.svbin'), examine),
  },
  {
    fault: 'sieve.compiled-outdated',
    break: async (rig, examine) => {
      const path = join(rig.dir, 'coi.sieve');
      await copyFile(script(rig), path);
      await writeFile(join(rig.dir, 'coi.svbin'), '');
      await utimes(join(rig.dir, 'coi.svbin'), 1_000_000, 1_000_000);
      return examine(beforeScript(rig, path));
    },
  },
  {
    fault: 'classify-socket.elsewhere',
    says: /nowhere\/coi-classify/,
    break: (rig) => sieve(rig, 'sieve_execute_socket_dir = ../coi-sidecar/nowhere'),
  },
  {
    fault: 'classify-socket.absent',
    break: ({ stage }, examine) => withoutPath(stage.dovecot.sockets.classify, examine),
  },
  {
    fault: 'classify-socket.deaf',
    says: /ECONNREFUSED/,
    break: async (rig, examine) => {
      const { path, examination } = await socketDir(rig, 'dead');
      leaveDeadSocket(path);
      return examine(examination).finally(() => rm(path));
    },
  },
  {
    fault: 'classify-socket.deaf',
    cause: 'and whose mail processes are is not known',
    says: /ECONNREFUSED/,
    break: async (rig, examine) => {
      const { path, examination } = await socketDir(rig, 'dead');
      leaveDeadSocket(path);
      const dovecot = `${examination.dovecot}\n${OWN_UIDS[rig.stage.dovecot.version]}`;
      return examine({ ...examination, dovecot }).finally(() => rm(path));
    },
  },
  {
    fault: 'classify-socket.forbidden',
    says: /coi-classify \(0600, uid 0/,
    skip: notRoot,
    break: ({ stage }, examine) => withMode(0o600)(stage.dovecot.sockets.classify, examine),
  },
  {
    fault: 'classify-socket.forbidden',
    cause: 'the way to it is closed',
    says: /coi-sidecar \(0750, uid 0/,
    skip: notRoot,
    break: ({ stage }, examine) => withMode(0o750)(stage.dovecot.layout.sidecarDir, examine),
  },
  {
    fault: 'classify-socket.open-to-all',
    skip: notRoot,
    break: ({ stage }, examine) => withMode(0o666)(stage.dovecot.sockets.classify, examine),
  },
  {
    fault: 'sieve.rival',
    says: /first\.sieve is run before \S+coi\.sieve and files chat itself/,
    break: async (rig, examine) => {
      const path = join(rig.stage.dovecot.layout.coiDir, 'first.sieve');
      await writeFile(
        path,
        'require "fileinto";\nif exists "Chat-Version" {\n  fileinto "Chat";\n  stop;\n}\n',
      );
      return examine(
        rig.stage.dovecot.version === '2.3'
          ? sieve(rig, `sieve_before = ${path}`, `sieve_before2 = file:${script(rig)}`)
          : sieve(
              rig,
              // What is named first is run first.
              `sieve_script coi {\n  path = ${path}\n}`,
              `sieve_script later {\n  type = before\n  path = ${script(rig)}\n}`,
            ),
      );
    },
  },
  {
    fault: 'sieve.rival',
    cause: 'by its precedence, although it is named later',
    versions: ['2.4'],
    says: /first\.sieve is run before/,
    break: async (rig, examine) => {
      const path = join(rig.stage.dovecot.layout.coiDir, 'first.sieve');
      await writeFile(path, 'if exists "Chat-Version" {\n  stop;\n}\n');
      return examine(
        sieve(rig, `sieve_script later {\n  type = before\n  path = ${path}\n  precedence = 1\n}`),
      );
    },
  },
  {
    fault: 'classify-socket.wrong-answer',
    says: /it failed/,
    break: async (rig, examine) => {
      const { path, examination } = await socketDir(rig, 'failing');
      const failing = await startScriptStandIn(path, () => null);
      return examine(examination).finally(() => failing[Symbol.asyncDispose]());
    },
  },
  {
    fault: 'classify-socket.wrong-answer',
    cause: 'it says what coi.sieve does not know',
    says: /it says something else/,
    break: async (rig, examine) => {
      const { path, examination } = await socketDir(rig, 'babbling');
      const babbling = await startScriptStandIn(path, () => 'what?');
      return examine(examination).finally(() => babbling[Symbol.asyncDispose]());
    },
  },
  {
    fault: 'classify-socket.wrong-answer',
    cause: 'something else listens there',
    says: /it did not answer as a script does/,
    break: async (rig, examine) => {
      const { path, examination } = await socketDir(rig, 'foreign');
      const server = createServer((socket) => {
        socket.on('error', () => undefined).end('220 mail.example.org ESMTP\r\n');
      });
      await new Promise<void>((resolve) => server.listen(path, resolve));
      await chmod(path, 0o666);
      return examine(examination).finally(() => server.close());
    },
  },
  {
    fault: 'classify-socket.long-time',
    says: /is 30 s/,
    break: (rig) => sieve(rig, 'sieve_execute_exec_timeout = 30s'),
  },
  { fault: 'classify-program.missing', break: (rig) => byProgram(rig, '/nowhere/bin') },
  {
    fault: 'classify-program.outdated',
    skip: notRoot,
    break: (rig, examine) =>
      withText((text) => `${text}# older\n`)(program(rig), () => examine(byProgram(rig))),
  },
  {
    fault: 'classify-program.settings-missing',
    break: (rig, examine) => withoutPath(settings(rig), () => examine(byProgram(rig))),
  },
  {
    fault: 'classify-program.settings-open',
    skip: notRoot,
    break: (rig, examine) => withMode(0o644)(settings(rig), () => examine(byProgram(rig))),
  },
  {
    fault: 'classify-program.not-run',
    says: /EACCES/,
    skip: notRoot,
    break: (rig, examine) => withMode(0o644)(program(rig), () => examine(byProgram(rig))),
  },
  {
    fault: 'classify-program.fails',
    cause: 'another token',
    says: /exit code 22/,
    skip: notRoot,
    break: (rig, examine) =>
      withText((text) => text.replace(/TOKEN=.*/, 'TOKEN=x'))(settings(rig), () =>
        examine(byProgram(rig)),
      ),
  },
  {
    fault: 'classify-program.fails',
    cause: 'the mail user may not read its settings',
    skip: notRoot,
    break: (rig, examine) => withMode(0o600)(settings(rig), () => examine(byProgram(rig))),
  },
  {
    fault: 'classify-delivery.not-delivered',
    says: /Plugin '?sieve'? not found from directory/,
    skip: notRoot,
    break: withoutModules,
  },
  {
    fault: 'classify-delivery.script-fails',
    cause: 'the socket is elsewhere',
    says: /with \S+coi\.sieve: .*coi-classify.* not found/,
    skip: notRoot,
    break: (rig) => sieve(rig, 'sieve_execute_socket_dir = ../coi-sidecar/nowhere'),
  },
  {
    fault: 'classify-delivery.no-answer',
    cause: 'the program has another token',
    skip: notRoot,
    break: (rig, examine) =>
      withText((text) => text.replace(/TOKEN=.*/, 'TOKEN=x'))(settings(rig), () =>
        examine(byProgram(rig)),
      ),
  },
  {
    fault: 'classify-delivery.script-fails',
    cause: 'it does not compile',
    says: /vnd\.dovecot\.execute/,
    skip: notRoot,
    break: (rig) => list(rig, 'sieve_plugins', 'sieve_extprograms', false),
  },
  {
    fault: 'classify-delivery.not-asked',
    cause: 'the plugin is not loaded',
    says: /without asking/,
    skip: notRoot,
    break: (rig) => lmtpPlugins(rig, ['notify', 'push_notification']),
  },
  {
    fault: 'classify-delivery.not-asked',
    cause: 'the script does not ask',
    skip: notRoot,
    break: (rig, examine) => withOwnScript(rig, () => 'keep;\n', examine),
  },
  {
    fault: 'classify-delivery.unheard',
    skip: notRoot,
    break: (rig, examine) =>
      withOwnScript(rig, (text) => text.replaceAll('"keep"', '"?"'), examine),
  },
];
