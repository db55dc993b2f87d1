import { type DovecotConfigInput, userdbFields } from './dovecot-config.ts';

/**
 * dovecot.conf of a private Dovecot 2.3: a small base, the shipped snippets as they are, and behind
 * them what differs from an admin's machine (paths, ports), since the last value counts.
 */
export function renderConfig23(input: DovecotConfigInput): string {
  const { layout, ports, accounts, sidecar, roads } = input;
  return `# Base
base_dir = ${layout.baseDir}
state_dir = ${layout.stateDir}
instance_name = coi-private
log_path = ${layout.logFile}
log_timestamp = "%Y-%m-%d %H:%M:%S "
listen = 127.0.0.1
protocols = imap lmtp
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
auth_username_format = %Lu
default_internal_user = ${accounts.internal}
default_internal_group = ${accounts.internalGroup}
default_login_user = ${accounts.login}
first_valid_uid = 1
first_valid_gid = 1
mail_uid = ${accounts.mailUid}
mail_gid = ${accounts.mailGid}
mail_privileged_group =
mail_home = ${layout.mailDir}/%u
mail_location = ${input.mailDriver}:~/Mail
mail_fsync = never
mail_debug = ${input.debug ? 'yes' : 'no'}
hostname = mail.example.org
postmaster_address = postmaster@example.org

passdb {
${
  input.users === null
    ? `  driver = static
  args = ${Object.entries({ password: input.password, ...userdbFields(input) })
    .map((field) => field.join('='))
    .join(' ')}`
    : `  driver = passwd-file
  args = ${layout.dir}/users`
}
}
userdb {
${
  input.users === null
    ? `  driver = static
  args = uid=${accounts.mailUid} gid=${accounts.mailGid} home=${layout.mailDir}/%u allow_all_users=yes`
    : `  driver = passwd-file
  args = ${layout.dir}/users`
}
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
  # no growing delays after a wrong password
  unix_listener anvil-auth-penalty {
    mode = 0
  }
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
${roads.metadata === 'dict' ? `mail_attribute_dict = proxy:idle_msecs=5000:${layout.dictSocket}:coi` : ''}
plugin {
${
  roads.events === 'lua'
    ? `  coi_sidecar_url = ${sidecar.url}
  coi_sidecar_events_dir = ${layout.eventsDir}`
    : ''
}
  sieve = file:~/sieve;active=~/.dovecot.sieve
}

# Last word
${input.extraConfig}
`;
}
