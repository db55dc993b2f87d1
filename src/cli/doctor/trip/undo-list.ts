import { errorMessage } from '../../../errors.ts';

/** What has to be done again backwards, so that everything is as it was. */
export interface UndoList {
  /** @param what for whoever has to do it by hand: `the folder COI/Chats` */
  push: (what: string, undo: () => Promise<void>) => void;
  /** Does all of it, the last first. @returns what could not be undone, and why */
  undoAll: () => Promise<string[]>;
}

export function createUndoList(): UndoList {
  const steps: { what: string; undo: () => Promise<void> }[] = [];
  return {
    push: (what, undo) => void steps.push({ what, undo }),
    undoAll: async () => {
      const left: string[] = [];
      for (const { what, undo } of steps.splice(0).reverse()) {
        try {
          await undo();
        } catch (error) {
          left.push(`${what} (${errorMessage(error)})`);
        }
      }
      return left;
    },
  };
}
