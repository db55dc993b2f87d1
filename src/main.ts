#!/usr/bin/env node
import { check } from './cli/check.ts';
import { parseCall, usageOf, type Command } from './cli/command.ts';
import { demo } from './cli/demo.ts';
import { doctor } from './cli/doctor.ts';
import { exportCommand } from './cli/export.ts';
import { importCommand } from './cli/import.ts';
import { outbox } from './cli/outbox.ts';
import { pushTest } from './cli/push-test.ts';
import { reload } from './cli/reload.ts';
import { serve } from './cli/serve.ts';
import { users } from './cli/users.ts';
import { errorMessage, InvalidInputError } from './errors.ts';
import { printError } from './standard-output.ts';
import { VERSION } from './version.ts';

const commands: readonly Command[] = [
  serve,
  check,
  doctor,
  users,
  pushTest,
  outbox,
  reload,
  importCommand,
  exportCommand,
  demo,
];

/** Exit codes: 0 done, 1 failed or found something wrong, 2 called wrongly, or as a command says. */
async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === '--version' || name === '-v') {
    console.log(`coi-sidecar ${VERSION}`);
    return 0;
  }
  const command = commands.find((known) => known.name === name);
  if (command === undefined) {
    const wanted = name === undefined || ['help', '--help', '-h'].includes(name);
    if (!wanted) console.error(`coi-sidecar: there is no command "${name}"\n`);
    (wanted ? console.log : console.error)(overview());
    return wanted ? 0 : 2;
  }
  try {
    const call = parseCall(command, args);
    if (call.values['help'] === true) {
      console.log(`${usageOf(command)}\n\n${command.summary}`);
      return 0;
    }
    return await command.run(call);
  } catch (error) {
    printError(`coi-sidecar ${command.name}: ${errorMessage(error)}`);
    return error instanceof InvalidInputError ? 2 : 1;
  }
}

function overview(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `usage: coi-sidecar <command> [options]\n\n${lines.join('\n')}\n\n"coi-sidecar <command> --help" says more.`;
}

process.exitCode = await main(process.argv.slice(2));
