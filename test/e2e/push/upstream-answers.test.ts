import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { deliver } from '../../../src/cli/demo/lmtp-client.ts';
import { createTeardown } from '../../support/create-teardown.ts';
import { makeCertificates } from '../../support/make-certificates.ts';
import { standInForNameService } from '../../support/name-service.ts';
import {
  afterContinue,
  dripBody,
  dripHeader,
  inTurn,
  later,
  reset,
} from '../../support/push-answers.ts';
import { answerWith, type Answer } from '../../support/push-service.ts';
import { recordLog } from '../../support/record-log.ts';
import {
  startScriptedPushService,
  type ScriptedPushService,
} from '../../support/scripted-push-service.ts';
import { eventually, startStage, type Stage } from '../../support/start-stage.ts';
import { subscribe } from '../../support/subscribe.ts';

/** Long enough for a busy machine to answer within. */
const TIMEOUT_MSECS = 4_000;

interface Case {
  /** What the push service does with the pushes of one message. */
  answers?: Answer;
  /** What is wrong beside answers, and how it is put right after the first failure. */
  fault?: Fault;
  /** The outcome of each attempt, the last one's being final; a fault that lasts may repeat. */
  outcomes: string[];
  subscription: 'kept' | 'removed';
  /** Whether the user agent's service took the push in the end. */
  push: 'arrives' | 'is given up';
  /** Least time between the first attempt and the last, in milliseconds. */
  pauses?: number;
  /** Fields that the push lacks when it arrives. */
  without?: string[];
  /** Whether a later push may replace it. */
  topic?: boolean;
  endpointHost?: string;
}

interface Fault {
  begin: (where: Where) => unknown;
  end: (where: Where) => unknown;
}

interface Where {
  service: ScriptedPushService;
  names: ReturnType<typeof standInForNameService>;
}

const ok = answerWith(201);
const once = (status: number, headers?: Record<string, string>): Answer =>
  inTurn(answerWith(status, headers), ok);
const arrives = { push: 'arrives', subscription: 'kept' } as const;
const givenUp = { push: 'is given up', subscription: 'kept' } as const;
const inSeconds = (count: number): string => new Date(Date.now() + count * 1_000).toUTCString();

const downAndUp: Fault = {
  begin: ({ service }) => service.down(),
  end: ({ service }) => service.up(),
};
const certificate = (kind: 'untrusted' | 'otherName'): Fault => ({
  begin: ({ service }) => service.present(makeCertificates()[kind]),
  end: ({ service }) => service.present(),
});
const NAME = 'sometimes.push.test';

const cases: Record<string, Case> = {
  '201': { answers: ok, outcomes: ['accepted'], ...arrives },
  '200': { answers: answerWith(200), outcomes: ['accepted'], ...arrives },
  '202': { answers: answerWith(202), outcomes: ['accepted'], ...arrives },
  '204': { answers: answerWith(204), outcomes: ['accepted'], ...arrives },
  '301 is not followed': {
    answers: (response, push) =>
      void response.writeHead(301, { location: `${push.path}/elsewhere` }).end(),
    outcomes: ['redirect'],
    ...givenUp,
  },
  '400': { answers: answerWith(400), outcomes: ['bad-request'], ...givenUp },
  '401, then 201': { answers: once(401), outcomes: ['unauthorized', 'accepted'], ...arrives },
  '403, then 201': { answers: once(403), outcomes: ['forbidden', 'accepted'], ...arrives },
  '404': { answers: answerWith(404), outcomes: ['not-found'], ...givenUp, subscription: 'removed' },
  '410': { answers: answerWith(410), outcomes: ['gone'], ...givenUp, subscription: 'removed' },
  '413 above 500 octets': {
    answers: (response, { body }) => void response.writeHead(body.length > 500 ? 413 : 201).end(),
    outcomes: ['too-large', 'accepted'],
    ...arrives,
    without: ['content'],
  },
  '413 above 200 octets': {
    answers: (response, { body }) => void response.writeHead(body.length > 200 ? 413 : 201).end(),
    outcomes: ['too-large', 'too-large', 'accepted'],
    push: 'arrives',
    subscription: 'kept',
    without: ['subject', 'content'],
    topic: true,
  },
  '413 always': {
    answers: answerWith(413),
    outcomes: ['too-large', 'too-large', 'too-large'],
    ...givenUp,
  },
  '429': { answers: once(429), outcomes: ['throttled', 'accepted'], ...arrives, pauses: 2_000 },
  '429 with Retry-After in seconds': {
    answers: once(429, { 'retry-after': '2' }),
    outcomes: ['throttled', 'accepted'],
    ...arrives,
    pauses: 1_990,
  },
  '429 with Retry-After as a date': {
    answers: (...call) => answerDate(...call),
    outcomes: ['throttled', 'accepted'],
    ...arrives,
    pauses: 2_000,
  },
  '406, as Windows throttles': {
    answers: once(406, { 'retry-after': '1' }),
    outcomes: ['throttled', 'accepted'],
    ...arrives,
    pauses: 990,
  },
  '500, then 201': { answers: once(500), outcomes: ['server-error', 'accepted'], ...arrives },
  '503, then 201': { answers: once(503), outcomes: ['server-error', 'accepted'], ...arrives },
  '503 with Retry-After': {
    answers: once(503, { 'retry-after': '1' }),
    outcomes: ['throttled', 'accepted'],
    ...arrives,
    pauses: 990,
  },
  '507, then 201': { answers: once(507), outcomes: ['server-error', 'accepted'], ...arrives },
  // What gets no answer goes out again a minute later: test/webpush/delivery/unanswered.test.ts.
  '201 after more than the time to connect': {
    answers: later(2 * TIMEOUT_MSECS),
    outcomes: ['accepted'],
    ...arrives,
  },
  '100 Continue, then 201': { answers: afterContinue, outcomes: ['accepted'], ...arrives },
  '201 with a header that drips': { answers: dripHeader, outcomes: ['accepted'], ...arrives },
  '201 with a body that drips': { answers: dripBody, outcomes: ['accepted'], ...arrives },
  'a reset, then 201': { answers: inTurn(reset, ok), outcomes: ['reset', 'accepted'], ...arrives },
  'nobody listens for a moment': {
    fault: downAndUp,
    outcomes: ['refused', 'accepted'],
    ...arrives,
  },
  'a certificate of nobody’s for a moment': {
    fault: certificate('untrusted'),
    outcomes: ['tls', 'accepted'],
    ...arrives,
  },
  'a certificate for another name for a moment': {
    fault: certificate('otherName'),
    outcomes: ['tls', 'accepted'],
    ...arrives,
  },
  'the name cannot be resolved for a moment': {
    endpointHost: NAME,
    fault: {
      // A connection that is still open asks for no name.
      begin: ({ service, names }) => {
        names.set(NAME, null);
        service.present();
      },
      end: ({ names }) => names.set(NAME, '127.0.0.1'),
    },
    outcomes: ['dns', 'accepted'],
    ...arrives,
  },
};

/** The date must be computed when the answer is given. */
const answerDate = ((): Answer => {
  let asked = false;
  return (response) => {
    response.writeHead(asked ? 201 : 429, asked ? {} : { 'retry-after': inSeconds(4) }).end();
    asked = true;
  };
})();

const message = (id: string): string =>
  `From: Alice <alice@example.org>\r\nSubject: ${id}\r\nMessage-ID: <${id}@example.org>\r\n\r\n` +
  `${'A body that a service which takes 500 octets will not take. '.repeat(8)}\r\n`;

const names = standInForNameService();
const recorded = recordLog();
const services: ScriptedPushService[] = [];
let stage: Stage;

const teardown = createTeardown();
before(async () => {
  names.set(NAME, '127.0.0.1');
  teardown.defer(() => names.restore());
  teardown.defer(async () => {
    await Promise.all(services.map((service) => service.close()));
  });
  stage = await startStage({
    log: recorded.log,
    authorities: [makeCertificates().ca],
    config: {
      webpush: {
        timeout_msecs: TIMEOUT_MSECS,
        allow_private_endpoints: ['localhost', NAME],
      },
    },
  });
  teardown.defer(() => stage.close());
});

/** The outcomes of the attempts at message pushes to one user so far. */
const outcomesFor = (user: string): string[] =>
  recorded.lines
    .filter((line) => line.msg === 'pushed' && line['user'] === user)
    .map((line) => String(line['outcome']))
    .slice(1); // the validation

async function prepare(given: Case) {
  const service = await startScriptedPushService();
  services.push(service);
  const agent = await service.addUserAgent(given.endpointHost);
  const user = stage.freshUser();
  const client = await stage.login(user);
  const id = await subscribe(client, agent);
  return { service, agent, user, client, id };
}

describe('what a push service answers to a message', { concurrency: true }, () => {
  for (const [name, given] of Object.entries(cases)) {
    it(`${name}: the push ${given.push}, the subscription is ${given.subscription}`, async () => {
      const { service, agent, user, client, id } = await prepare(given);
      await given.fault?.begin({ service, names });
      service.behave = given.answers ?? ok;

      const { replies } = await deliver(stage.dovecot.lmtp, 'a@example.org', [user], message(id));
      assert.equal(replies[0]?.code, 250, 'mail does not care');
      const { untagged } = await client.ok('STATUS INBOX (MESSAGES)');
      assert.match(untagged.join(), /MESSAGES 1/);

      if (given.fault) {
        await eventually(() => assert.ok(outcomesFor(user).length > 0));
        await given.fault.end({ service, names });
      }
      await eventually(() => {
        const outcomes = given.fault ? withoutRepeats(outcomesFor(user)) : outcomesFor(user);
        assert.deepEqual(outcomes, given.outcomes);
      }, 45_000);

      const requests = await agent.drain();
      const last = requests.at(-1);
      if (given.push === 'arrives') {
        assert.equal(last?.payload['uid'], 1);
        assert.deepEqual(
          ['subject', 'content'].filter((field) => !(field in last.payload)),
          given.without ?? [],
        );
        assert.equal('topic' in last.headers, given.topic ?? false);
      }
      if (!given.fault) {
        assert.equal(service.requests, 1 + given.outcomes.length, 'the validation, and these');
      }
      const lasted = (last?.at ?? 0) - (requests[0]?.at ?? 0);
      assert.ok(lasted >= (given.pauses ?? 0), `${lasted} ms between first and last attempt`);

      await eventually(async () => {
        const owed = await stage.app.domain.delivery.list(0, 1_000);
        assert.deepEqual(
          owed.filter((push) => push.user === user),
          [],
          'nothing is owed any more',
        );
      });
      const kept = await stage.app.domain.subscriptions.list(user);
      assert.equal(kept.length, given.subscription === 'kept' ? 1 : 0);
    });
  }

  const withoutRepeats = (outcomes: readonly string[]): string[] =>
    outcomes.filter((outcome, index) => outcome !== outcomes[index - 1]);
});

describe('and what the administrator hears of it', () => {
  it('a removal is logged with its reason, without the endpoint', () => {
    const removals = recorded.lines.filter(({ msg }) => msg === 'removed a subscription');
    assert.deepEqual(removals.map(({ reason }) => String(reason).split(' (')[0]).sort(), [
      'the push service answered 404',
      'the push service answered 410',
    ]);
    assert.doesNotMatch(JSON.stringify(recorded.lines), /\/push\//);
  });

  it('401 and 403 ask for an administrator', () => {
    const errors = recorded.said('error').join('\n');
    assert.match(errors, /refused our authorization; check the clock/);
    assert.match(errors, /refused our authorization; the subscription may belong to another/);
  });
});
