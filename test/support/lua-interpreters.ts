import { execFileSync } from 'node:child_process';

/** Every Lua that a Dovecot may be built with, and why a test of it is skipped, if it is. */
export const luaInterpreters = ['lua5.1', 'lua5.2', 'lua5.3', 'lua5.4', 'luajit'].map((lua) => ({
  lua,
  skip: isInstalled(lua) ? false : `${lua} is not installed`,
}));

function isInstalled(lua: string): boolean {
  try {
    execFileSync(lua, ['-v'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
