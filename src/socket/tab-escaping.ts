export * from '../dovecot/tab-escaping.ts';
