import { PARTS, type Check, type Part } from '../../src/cli/doctor/check.ts';

const INTRODUCTION = `# coi-sidecar doctor

\`coi-sidecar doctor\` looks at the set-up as it is, Dovecot's side included, and says what to do about each fault that it finds. It asks and tries; it changes nothing, but for a trip, which puts everything back.

\`\`\`sh
coi-sidecar doctor
coi-sidecar doctor --user scratch@example.org
\`\`\`

Run it as root on the host of the service, where it can read both configurations and try what Dovecot's mail processes may do, as their user. As somebody else, or where there is no \`doveconf\` (Dovecot in another container or on another host), it makes the checks that it can and says which it could not make. What mail processes may do it tries as the user that \`--user\` names, else as the first that Dovecot lists (system users, a passwd-file), or with the uid that the userdb gives to all; where none of these is there, it says so.

| option                     | what it is for                                                                                                                                                                                        |
| -------------------------- | ----------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------- |
| \`--config FILE\`          | the configuration of the service. Environment variables that only the service has are not seen                                                                                                        |
| \`--dovecot-config FILE\`  | Dovecot's, if it is not the one that is built into it                                                                                                                                                 |
| \`--user USER\`            | a scratch user for a [trip](#a-chat-messages-trip); may be given several times. Also tells whose rights mail processes have, where each user has a uid of their own                                   |
| \`--password-file FILE\`   | the password of those users, or in the environment, \`COI_DOCTOR_PASSWORD\`: the trip then uses IMAP as a client does. Without one it has doveadm take the same way through Dovecot's annotations     |
| \`--lmtp HOST:PORT\`       | where to deliver, if Dovecot's configuration is not there to say it                                                                                                                                   |
| \`--imap HOST:PORT\`       | where to log in, likewise                                                                                                                                                                             |
| \`--reach ORIGIN\`         | a push service to be reached, by the way that pushes take (proxy included); may be given several times. Nobody is contacted unasked: to call the large ones would tell them that this host is there  |
| \`--only CHECK\`           | make this check only; may be given several times                                                                                                                                                      |
| \`--brief\`                | for monitoring: one line with the state and the worst of what was found, further ones for the rest                                                                                                     |
| \`--json\`                 | the report for machines                                                                                                                                                                               |

Exit code, as monitoring plugins have them, the worst first:

| code | \`--brief\` begins with | what it means                                                                                                                                          |
| ---- | ---------------------- | ------------------------------------------------------------------------------------------------------------------------------------------------------ |
| 2    | \`CRITICAL - \`        | something does not work; without \`--brief\` also: called wrongly                                                                                      |
| 1    | \`WARNING - \`         | all works, and not as it should                                                                                                                        |
| 3    | \`UNKNOWN - \`         | nothing wrong was found, but not everything could be looked at (\`?\` in the report says what, and why), or doctor was called wrongly with \`--brief\` |
| 0    | \`OK - \`              | all that was asked for was looked at, and is well                                                                                                      |

A trip without a scratch user and push services that nobody named are not asked for (\`-\`), and do not count. Where Dovecot is elsewhere, a trip that arrives stands for what cannot be read of its configuration. No secret is ever printed.

\`\`\`
command[check_coi]=sudo /usr/bin/coi-sidecar doctor --brief
\`\`\`

## The report for machines

\`\`\`json
{
  "version": "0.1.0",
  "dovecot": "2.3.19.1",
  "verdict": "error",
  "counts": { "ok": 24, "warning": 0, "error": 1, "unknown": 0, "skipped": 2 },
  "checks": [
    {
      "name": "events-url",
      "part": "events",
      "title": "coi.lua reaches the service, which takes its token",
      "verdict": "error",
      "findings": [
        {
          "severity": "error",
          "fault": "events-url.token-refused",
          "message": "the service refuses coi_sidecar_token of Dovecot (not set).",
          "remedy": "Set it to http.token of coi-sidecar.yaml in /etc/dovecot/coi/token.conf (95-coi-events.conf), and reload Dovecot."
        }
      ],
      "skipped": [],
      "notes": []
    }
  ]
}
\`\`\`

\`dovecot\` is null where its version could not be told. A check's \`verdict\` is \`ok\`, \`warning\`, \`error\`, \`unknown\` (something could not be looked at) or \`skipped\` (nobody asked for it); \`skipped\` says why. \`fault\` is stable, and one of those below; \`<check>.failed\` is a check that could not be carried out.

## What is checked
`;

const NOBODY = `\`events-delivery\` here and \`classify-delivery\` below test the whole path without an account: \`dovecot-lda\` delivers a chat message to \`coi-sidecar-doctor\`, a user that exists only in a temporary user database of the doctor's (\`auth_socket_path\`), with Dovecot's configuration, the plugins of the protocol by which mail comes and the rights of mail processes; only root can start it so. Where the MTA starts \`dovecot-lda\` as somebody else, it is started as that user, with one group, as MTAs do. \`annotations\` does the same over IMAP: Dovecot's own \`imap\` sets an annotation of that user, gets it and removes it. The mail goes to a temporary directory. Only coi-sidecar's own push_notification drivers and Sieve scripts run, so other software on the site does not notice. The service notes what arrives and does nothing else with it; no real user should have that name. Nothing remains: no mailbox, no event, no line in Dovecot's log.

The script gets no event log here, so that it reports why it was not heard; the \`event-log\` check tests that, with an empty line that the service overlooks. It also skips the check whose mail matters. With the \`ox\` driver the service is asked about nobody's annotation, too; where Dovecot keeps the annotations itself (\`metadata.source: doveadm\`) that driver has nothing to go by, and \`events-delivery\` is left out.
`;

const TRIP = `For each scratch user COI is enabled and a subscription made and validated as a client would, a chat message is delivered by each delivery agent by which mail may come in (see \`mta\`), one after the other, and it has to be filed and to arrive as a push at a receiver on this host. Then the message, the subscription and the folders that were not there before are taken away, and the settings put back. Take a user made for it: their other subscriptions get the push, too.

The service's guard lets no push through to this host, and should not be opened for a test: \`webpush.allow_private_endpoints\` would be open for every user until somebody closes it again. With \`http.admin_token\` the running service lets one port of 127.0.0.1 through for the doctor alone, past the proxy, until the trip ends and for two minutes at most (\`PUT /v1/test-receivers/PORT\`). Without that token the trip ends where the push would begin.
`;

/** `docs/doctor.md`: every check, what can be wrong with it, and what to do. */
export function renderDoctor(checks: readonly Check[]): string {
  const lines = [INTRODUCTION];
  for (const [part, heading] of Object.entries(PARTS) as [Part, string][]) {
    lines.push(`### ${heading}`, '');
    if (part === 'events') lines.push(NOBODY);
    if (part === 'trip') lines.push(TRIP);
    for (const { name, title, faults } of checks.filter((check) => check.part === part)) {
      lines.push(`**${name}**: ${title}.`, '', '| fault | what is wrong | what to do |', '|-|-|-|');
      for (const [fault, { severity, what, remedy }] of Object.entries(faults)) {
        const sign = severity === 'error' ? '✗' : '!';
        lines.push(`| ${sign} \`${fault}\` | ${cell(what)} | ${cell(remedy)} |`);
      }
      lines.push('');
    }
  }
  return lines.join('\n');
}

/** Placeholders stand out as they do in usage lines. */
const cell = (text: string): string =>
  text.replaceAll('|', '\\|').replaceAll(/\{(\w+)\}/g, (_whole, name: string) => `*${name}*`);
