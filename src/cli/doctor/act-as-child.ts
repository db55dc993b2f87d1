// A process of its own: becomes another user, does what it is told, and prints what became of it.
import { spawnSync } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import type { ActingOrder, Deed, Outcome } from './act-as.ts';

const { O_APPEND, O_NONBLOCK, O_WRONLY, X_OK } = constants;
const { identity, deeds } = JSON.parse(process.argv[2] ?? '') as ActingOrder;
if (identity !== undefined) {
  process.setgroups?.([...identity.groups]);
  process.setgid?.(identity.gid);
  process.setuid?.(identity.uid);
}
process.umask(0o077); // as Dovecot's mail processes
const outcomes: Outcome[] = [];
for (const deed of deeds) outcomes.push(await attempt(deed));
process.stdout.write(JSON.stringify(outcomes));

async function attempt(deed: Deed): Promise<Outcome> {
  try {
    return { done: true, ...(await perform(deed)) };
  } catch (error) {
    const { code = 'unknown', message } = error as NodeJS.ErrnoException;
    return { done: false, code, message };
  }
}

function perform(deed: Deed): Promise<{ status?: number; output?: string }> {
  switch (deed.do) {
    case 'connect':
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          socket.destroy();
          resolve({});
        };
        const socket = connect(deed.path, () => {
          if (deed.greeting === undefined) leave();
          else socket.write(deed.greeting);
        });
        socket.once('data', leave).once('end', leave).once('error', reject);
      });
    case 'read': {
      const file = openSync(deed.path, 'r');
      readSync(file, Buffer.alloc(1));
      closeSync(file);
      return Promise.resolve({});
    }
    case 'pass':
      accessSync(deed.path, X_OK);
      return Promise.resolve({});
    case 'append': {
      // An empty line. What is not there is not made, and a FIFO is not waited for.
      const file = openSync(deed.path, O_WRONLY | O_APPEND | O_NONBLOCK);
      writeSync(file, '\n');
      closeSync(file);
      return Promise.resolve({});
    }
    case 'run': {
      const { file, args, env, input } = deed;
      const ran = spawnSync(file, args, { env, input, cwd: '/', timeout: 10_000 });
      // A program that ends before it has read everything ran all the same.
      if (ran.error !== undefined && ran.status === null) throw ran.error;
      return Promise.resolve({ status: ran.status ?? -1, output: ran.stdout.toString() });
    }
  }
}
