import { execFile } from 'node:child_process';

export interface CommandResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/**
 * Our environment for a program that we start: without our options and passwords, which may be secrets.
 * Its user may be another, and read all of it in /proc.
 */
export const childEnvironment = (environment = process.env): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('COI_')));

/** Runs a program to its end; a program that fails or cannot be started is a result, no error. */
export function runCommand(
  file: string,
  args: readonly string[],
  options: { input?: string | Buffer; timeoutMsecs?: number } = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = execFile(
      file,
      args,
      {
        timeout: options.timeoutMsecs ?? 30_000,
        maxBuffer: 64 * 1024 * 1024,
        env: childEnvironment(),
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 127;
        const reason = error !== null && stderr === '' ? error.message : stderr;
        resolve({ exitCode: code, stdout, stderr: reason });
      },
    );
    child.stdin?.on('error', () => undefined); // the program need not read it
    child.stdin?.end(options.input ?? '');
  });
}
