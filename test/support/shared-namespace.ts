import type { DovecotVersion } from '../../src/cli/demo/dovecot-release.ts';

/**
 * Everybody may open the others' mailboxes, as far as those let them by SETACL.
 *
 * @param ownSeen whether everybody has `\Seen` flags of their own there
 */
export const sharedNamespace = (version: DovecotVersion, ownSeen = false): string =>
  version === '2.3'
    ? `protocol imap {
  mail_plugins = $mail_plugins acl imap_acl
}
namespace shared {
  type = shared
  separator = /
  prefix = shared/%%u/
  location = maildir:%%h/Mail${ownSeen ? ':INDEXPVT=~/shared/%%u' : ''}
  subscriptions = no
  list = children
}
plugin {
  acl = vfile
}
`
    : `mail_plugins {
  acl = yes
}
protocol imap {
  mail_plugins {
    imap_acl = yes
  }
}
acl_driver = vfile
namespace shared {
  type = shared
  separator = /
  prefix = shared/$user/
  mail_path = %{owner_home}/Mail
  ${ownSeen ? 'mail_index_private_path = ~/shared/%{owner_user}' : ''}
  subscriptions = no
  list = children
}
`;

/** What 95-coi-events.conf has behind a "#" for that. */
export const sharedScript = (
  version: DovecotVersion,
  coiDir: string,
  prefix = version === '2.3' ? 'shared/%%u/' : 'shared/$user/',
): string =>
  version === '2.3'
    ? `protocol imap {
  plugin {
    push_notification_driver = lua:file=${coiDir}/coi-shared.lua
    coi_sidecar_shared_prefix = ${prefix}
  }
}
`
    : `protocol imap {
  push_notification coi {
    lua_file = ${coiDir}/coi-shared.lua
    lua_settings {
      coi_sidecar_shared_prefix = ${prefix}
    }
  }
}
`;
