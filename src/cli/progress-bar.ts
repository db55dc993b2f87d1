const WIDTH = 30;

export interface ProgressBar {
  /** One more is done. */
  tick(): void;
  /** Clears the line for what comes next. */
  end(): void;
}

/** A bar on a terminal; on anything else, nothing. */
export function createProgressBar(
  stream: Pick<NodeJS.WriteStream, 'write' | 'isTTY'>,
  total: number,
): ProgressBar {
  let done = 0;
  const draw = (): void => {
    const filled = total === 0 ? WIDTH : Math.floor((WIDTH * done) / total);
    const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
    stream.write(`\r${bar} ${done}/${total}`);
  };
  if (!stream.isTTY) return { tick: () => undefined, end: () => undefined };
  draw();
  return {
    tick: () => {
      done += 1;
      draw();
    },
    end: () => {
      stream.write('\r\u001b[K');
    },
  };
}
