import { type DovecotConfigInput, userdbFields } from './dovecot-config.ts';

/** As {@link renderConfig23}, for Dovecot 2.4: a section that comes again adds to the first. */
export function renderConfig24(input: DovecotConfigInput): string {
  const { layout, ports, accounts, sidecar, roads } = input;
  return `# Base
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
base_dir = ${layout.baseDir}
state_dir = ${layout.stateDir}
instance_name = coi-private
log_path = ${layout.logFile}
log_timestamp = "%Y-%m-%d %H:%M:%S "
listen = 127.0.0.1
protocols {
  imap = yes
  lmtp = yes
}
ssl = no
auth_allow_cleartext = yes
auth_mechanisms {
  plain = yes
}
auth_failure_delay = 0
auth_username_format = %{user | lower}
default_internal_user = ${accounts.internal}
default_internal_group = ${accounts.internalGroup}
default_login_user = ${accounts.login}
first_valid_uid = 1
first_valid_gid = 1
mail_uid = ${accounts.mailUid}
mail_gid = ${accounts.mailGid}
mail_privileged_group =
mail_home = ${layout.mailDir}/%{user}
mail_driver = ${input.mailDriver}
mail_path = ~/Mail
mail_inbox_path =
mail_fsync = never
mail_debug = ${input.debug ? 'yes' : 'no'}
hostname = mail.example.org
postmaster_address = postmaster@example.org

${
  input.users === null
    ? `passdb static {
  password = ${input.password}
  fields {
${Object.entries(userdbFields(input))
  .map(([name, value]) => `    ${name} = ${value}\n`)
  .join('')}  }
}
userdb static {
  userdb_static_allow_all_users = yes
  fields {
    uid = ${accounts.mailUid}
    gid = ${accounts.mailGid}
    home = ${layout.mailDir}/%{user}
  }
}`
    : `passdb passwd-file {
  passwd_file_path = ${layout.dir}/users
}
userdb passwd-file {
  passwd_file_path = ${layout.dir}/users
}`
}

namespace inbox {
  inbox = yes
  separator = /
  mailbox Trash {
    special_use = \\Trash
    auto = subscribe
  }
}

service imap-login {
  chroot =
  inet_listener imap {
    port = ${ports.imap}
  }
  inet_listener imaps {
    port = 0
  }
}
service lmtp {
  inet_listener lmtp {
    port = ${ports.lmtp}
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}

# The shipped snippets
${input.snippets.map((path) => `!include ${path}`).join('\n')}

# What differs here
protocol imap {
  mail_max_userip_connections = 1000
}
service doveadm {
  inet_listener http {
    port = ${ports.doveadm}
  }
  unix_listener coi-doveadm {
    user = ${accounts.self}
  }
  unix_listener http {
    user = ${accounts.self}
  }
}
sieve_script personal {
  type = personal
  path = ~/sieve
  active_path = ~/.dovecot.sieve
}
${
  roads.metadata === 'dict'
    ? `mail_attribute {
  dict proxy {
    socket_path = ${layout.dictSocket}
    idle_timeout = 5 secs
  }
}`
    : ''
}
${
  roads.events === 'lua'
    ? `push_notification coi {
  lua_settings {
    coi_sidecar_url = ${sidecar.url}
    coi_sidecar_events_dir = ${layout.eventsDir}
  }
}`
    : ''
}

# Last word
${input.extraConfig}
`;
}
