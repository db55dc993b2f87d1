// A chat mail's trip to a push, through the installed service and the system's Dovecot; run by
// inside.sh with the package's own Node and modules.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';

const LIB = '/usr/lib/coi-sidecar';
const CA = '/etc/coi-sidecar/test-ca.pem';
const KEY = '/tmp/test-ca.key';
const PREFIX = '/private/vendor/vendor.dovecot';
const SUBSCRIPTION = `${PREFIX}/webpush/subscriptions/31754ee7-d3ee-4226-b112-6895ed26fcf8`;

const run = promisify(execFile);
const demo = (name) => import(`${LIB}/dist/cli/demo/${name}.js`);

async function makeCertificateFiles() {
  const { makeCertificate } = await demo('make-certificate');
  const { key, cert } = await makeCertificate();
  writeFileSync(KEY, key, { mode: 0o600 });
  writeFileSync(CA, cert, { mode: 0o644 });
}

/** Waits for the service, which systemd starts two seconds after a kill. */
const started = () =>
  run('curl', [
    ...['--fail', '--silent', '--retry', '20', '--retry-delay', '1', '--retry-all-errors'],
    'http://127.0.0.1:9380/readyz',
  ]);

async function trip() {
  const { ImapFlow } = createRequire(`${LIB}/dist/main.js`)('imapflow');
  const { getAnnotations, setAnnotation } = await demo('imap-metadata');
  const { startPushService } = await demo('push-service');
  const { deliver } = await demo('lmtp-client');
  const { chatMessage } = await demo('demo-messages');
  const lmtp = { host: '127.0.0.1', port: 24 };
  /** @returns its Message-ID, without brackets */
  const sendChat = async () => {
    const message = chatMessage('bob');
    const { replies } = await deliver(lmtp, 'alice@example.org', ['bob'], message);
    assert.equal(replies[0].code, 250, replies[0].text);
    return /^Message-ID: <(.*)>$/m.exec(message)[1];
  };

  const push = await startPushService({
    key: readFileSync(KEY, 'utf8'),
    cert: readFileSync(CA, 'utf8'),
  });
  const client = new ImapFlow({
    host: '127.0.0.1',
    port: 143,
    secure: false,
    doSTARTTLS: false,
    auth: { user: 'bob', pass: 'secret' },
    logger: false,
  });
  await client.connect();
  try {
    assert.ok(client.capabilities.has('COI') && client.capabilities.has('WEBPUSH'));

    await setAnnotation(client, `${PREFIX}/coi/config/enabled`, 'yes');
    await setAnnotation(client, `${PREFIX}/coi/config/message-filter`, 'active');
    const folders = (await client.list()).map(({ path }) => path);
    assert.ok(folders.includes('COI/Chats'), folders.join(' '));

    const subscription = { client: 'c', device: 'd', msgtype: 'chat', resource: push.resource };
    await setAnnotation(client, SUBSCRIPTION, JSON.stringify(subscription));
    const { validation } = (await push.next()).payload;
    await setAnnotation(client, `${SUBSCRIPTION}/validate`, validation);
    const listed = (await getAnnotations(client, SUBSCRIPTION)).get(SUBSCRIPTION);
    assert.equal(JSON.parse(listed).validated, true);

    await sendChat();
    const first = await push.next();
    assert.equal(first.payload.folder, 'COI/Chats');
    console.log(`    filed in ${first.payload.folder}, pushed in ${first.size} octets`);

    execFileSync('systemctl', ['stop', 'coi-sidecar.socket']); // and the service with it
    await sendChat();
    const uid = execFileSync('id', ['-u', 'bob'], { encoding: 'utf8' }).trim();
    const logged = readFileSync(`/var/spool/coi-events/${uid}/log`, 'utf8');
    assert.equal(logged.match(/"user":"bob"/g)?.length, 1, 'the event is not in the event log');
    execFileSync('systemctl', ['start', 'coi-sidecar.service']);
    const late = await push.next(20_000);
    console.log(`    after a spell in the event log: pushed in ${late.size} octets`);

    const due = new Set();
    for (let kills = 0; kills < 3; kills += 1) {
      const kill = run('systemctl', ['kill', '--signal=KILL', 'coi-sidecar.service']);
      for (let sent = 0; sent < 10; sent += 1) due.add(await sendChat());
      await kill;
      await started();
    }
    const messages = due.size;
    while (due.size > 0) due.delete((await push.next(20_000)).payload['msg-id']);
    console.log(`    ${messages} messages, the service killed three times: all of them pushed`);
  } finally {
    await client.logout();
    await push.close();
  }
}

await { certificate: makeCertificateFiles, trip }[process.argv[2]]();
