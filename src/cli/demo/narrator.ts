/** Prints the demo step by step: what happens, how long it took, what came of it. */
export interface Narrator {
  /** Runs a step; its result's lines are shown below the headline. A failed step ends the demo. */
  step: <T>(headline: string, work: (say: (line: string) => void) => Promise<T>) => Promise<T>;
  heading: (text: string) => void;
}

export function createNarrator(out: NodeJS.WriteStream): Narrator {
  const colour = (code: number, text: string): string =>
    out.isTTY && process.env['NO_COLOR'] === undefined ? `\u001b[${code}m${text}\u001b[0m` : text;
  const print = (text: string): void => void out.write(`${text}\n`);

  return {
    heading: (text) => print(`\n${colour(1, text)}`),
    step: async (headline, work) => {
      const lines: string[] = [];
      const started = performance.now();
      const took = (): string => `${Math.round(performance.now() - started)} ms`.padStart(8);
      try {
        const result = await work((line) => lines.push(line));
        print(`${colour(32, ' ✓')} ${colour(2, took())}  ${headline}`);
        for (const line of lines) print(colour(36, indent(line)));
        return result;
      } catch (error) {
        print(`${colour(31, ' ✗')} ${colour(2, took())}  ${headline}`);
        for (const line of lines) print(indent(line));
        throw error;
      }
    },
  };
}

const indent = (text: string): string => text.replace(/^/gm, ' '.repeat(14));
