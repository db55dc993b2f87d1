/** The first in a line is the line's own. */
const LEVEL = /\b(Debug|Info|Warning|Error|Fatal|Panic): (.*)$/;
const WRONG = new Set(['Warning', 'Error', 'Fatal', 'Panic']);

/** Enough to know the cause; Lua and Sieve tell what follows from it as well. */
const MOST = 2;

/**
 * What is wrong according to a program of Dovecot's that logs to standard error, without what precedes
 * it in each line and without Lua's stack traces (one line each in 2.4, several to one in 2.3):
 *
 *     lda(nobody)<1><x>: Error: lua: lua_load(/x/coi.lua) failed: … syntax error near 'is'
 *     stack traceback:
 *     	[C]: in function 'error'
 */
export function readComplaints(log: string): string {
  const said = log
    .split('\n')
    .flatMap((line) => {
      const [, level = '', text = ''] = LEVEL.exec(line) ?? [];
      return WRONG.has(level) ? [text] : [];
    })
    .filter((text) => !/^(?:lua: )?(?:stack traceback:|\t)/.test(text))
    .map((text) => text.trim().replace(/\.$/, ''));
  return [...new Set(said)].slice(0, MOST).join('; ');
}
