/** Every user has a uid of their own: nothing in Dovecot's configuration says one for all. */
export const OWN_UIDS = {
  '2.3': 'mail_uid =\nuserdb {\n  driver = passwd\n}',
  '2.4': 'mail_uid =\nuserdb static {\n  fields {\n    uid =\n  }\n}',
} as const;
