# coi-sidecar: files chat messages before they are stored.
#
# A global script (sieve_before). Mail that does not look like chat never leaves Dovecot: only
# candidates are shown to the sidecar, which answers in one line:
#
#   keep            not chat, or this user has no COI: as if this script were not there
#   flag            chat that stays: $Chat, then the user's own script
#   file MAILBOX    chat that is filed: $Chat, into MAILBOX; the user's own script does not run
#   block MAILBOX   from a blocked contact: into MAILBOX; the user's own script does not run
#
# No answer, an unknown one, or a mailbox that is gone: INBOX, with $Chat if this is chat beyond
# doubt. Mail is never lost or refused here.

require ["vnd.dovecot.execute", "variables", "fileinto", "mailbox", "imap4flags"];

# "chat$" is case-sensitive (i;octet), header names are not. The sidecar parses the headers
# properly; this test only must not miss one. Other mail of blocked contacts is not asked about, and
# moved once it is delivered: to have it filed before it is stored, add "true" to these tests, which makes
# every mail a candidate.
if anyof (
  exists "Chat-Version",
  header :contains :comparator "i;octet" ["Message-ID", "References"] "chat$"
) {
  set "answer" "";
  set "understood" "";
  set "chat" "";
  if anyof (
    exists "Chat-Version",
    header :matches :comparator "i;octet" ["Message-ID", "References"] ["<chat$*", "chat$*"]
  ) {
    set "chat" "yes";
  }

  # The usual answers are guessed, "is it this one?", which saves a question: without :output there
  # is no need to ping first. A wrong guess costs a moment and nothing else; to have it right, name
  # coi.mailbox_root and "Chats" here as in coi-sidecar.yaml.
  set "chats" "COI/Chats";
  if mailboxexists "${chats}" {
    if execute :pipe "coi-classify" ["expect", "file ${chats}"] {
      addflag "$Chat";
      fileinto "${chats}";
      stop;
    }
  } elsif execute :pipe "coi-classify" ["expect", "keep"] {
    set "understood" "yes";
  }

  # "ping" asks whether anyone is there. Dovecot (2.3.19 and 2.4.1) panics when a program with
  # :output lets the time-out pass; without :output it just goes on. So a sidecar that hangs is
  # noticed before it is asked.
  if allof (
    string :is "${understood}" "",
    execute "coi-classify" "ping",
    execute :pipe :output "answer" "coi-classify"
  ) {
    if string :is "${answer}" "keep" {
      set "understood" "yes";
    } elsif string :is "${answer}" "flag" {
      set "understood" "yes";
      addflag "$Chat";
    } elsif string :matches "${answer}" ["file *", "block *"] {
      set "mailbox" "${1}";
      set "understood" "yes";
      if anyof (string :matches "${answer}" "file *", string :is "${chat}" "yes") {
        addflag "$Chat";
      }
      if mailboxexists "${mailbox}" {
        fileinto "${mailbox}";
        stop;
      }
    }
  }

  if allof (string :is "${understood}" "", string :is "${chat}" "yes") {
    addflag "$Chat";
  }
}
