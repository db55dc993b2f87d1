import type { EventJournal } from '../stores/event-journal.ts';

/**
 * How far each event log was read, by the inode of the file: its name changes when it is rotated. An
 * inode comes back once its file is removed, so a log's position is taken away before the log itself,
 * and set to nothing before another one can be seen.
 */
export class LogPositions {
  readonly #journal: Pick<EventJournal, 'positions' | 'beginLog' | 'endLog'>;
  readonly #positions = new Map<string, number>();
  #loaded = false;

  constructor(journal: Pick<EventJournal, 'positions' | 'beginLog' | 'endLog'>) {
    this.#journal = journal;
  }

  /**
   * To be awaited before the first question.
   *
   * @throws UnavailableError they cannot be read; the next call tries again
   */
  async load(): Promise<void> {
    if (this.#loaded) return;
    for (const [inode, position] of await this.#journal.positions()) {
      if (!this.#positions.has(inode)) this.#positions.set(inode, position);
    }
    this.#loaded = true;
  }

  of(inode: string): number {
    return this.#positions.get(inode) ?? 0;
  }

  /** It is on disk: with what was read up to there. */
  set(inode: string, position: number): void {
    this.#positions.set(inode, position);
  }

  async begin(inode: string): Promise<void> {
    await this.load();
    // A log can be made though the outbox takes nothing, unless there was one before at this inode.
    if (this.#positions.has(inode)) await this.#journal.beginLog(inode);
    this.#positions.set(inode, 0);
  }

  async end(inode: string): Promise<void> {
    await this.#journal.endLog(inode);
    this.#positions.delete(inode);
  }
}
