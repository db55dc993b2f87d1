import { chmod, chown, rename, readFile, stat, utimes, writeFile } from 'node:fs/promises';

/** Does something with a path changed, and puts it back as it was. */
type While = <T>(path: string, work: () => Promise<T>) => Promise<T>;

export const withMode =
  (mode: number): While =>
  async (path, work) => {
    const { mode: before } = await stat(path);
    await chmod(path, mode);
    try {
      return await work();
    } finally {
      await chmod(path, before);
    }
  };

export const withOwner =
  (uid: number): While =>
  async (path, work) => {
    const { uid: before, gid } = await stat(path);
    await chown(path, uid, gid);
    try {
      return await work();
    } finally {
      await chown(path, before, gid);
    }
  };

export const withoutPath: While = async (path, work) => {
  await rename(path, `${path}.away`);
  try {
    return await work();
  } finally {
    await rename(`${path}.away`, path);
  }
};

/** The times are put back, too: what is compiled from it stays newer. */
export const withText =
  (change: (text: string) => string): While =>
  async (path, work) => {
    const [text, { atime, mtime }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
    await writeFile(path, change(text));
    await utimes(path, atime, mtime);
    try {
      return await work();
    } finally {
      await writeFile(path, text);
      await utimes(path, atime, mtime);
    }
  };
