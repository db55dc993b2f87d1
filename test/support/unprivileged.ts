/** Why permissions cannot be tried here, or false. */
export const notRoot: string | false =
  process.getuid?.() !== 0 && 'only root can act as the mail user';
