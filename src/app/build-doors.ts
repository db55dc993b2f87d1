import { createServer, type AddressInfo, type Server } from 'node:net';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Classify } from '../coi/classify.ts';
import { forOption } from '../config/for-option.ts';
import { parseListenAddress } from '../config/parse-listen-address.ts';
import { serveDict } from '../dict/server.ts';
import { errorMessage, InvalidInputError } from '../errors.ts';
import { createHttpServer } from '../http/create-http-server.ts';
import type { ReadinessCheck } from '../readiness.ts';
import { serveScript } from '../script/server.ts';
import { BodyBudget } from '../socket/body-budget.ts';
import {
  isAt,
  takeInheritedListeners,
  type InheritedListener,
} from '../socket/inherited-listeners.ts';
import { serveUnixSocket, type UnixServer } from '../socket/serve-unix-socket.ts';
import { SOCKET_LIMITS } from '../socket/socket-limits.ts';
import { systemErrorCode } from '../socket/socket-setup-error.ts';
import { createAnswerScript } from './create-answer-script.ts';
import type { CLASSIFY_ROADS, ClassifyAnswer } from './start-at-zero.ts';
import type { Ground } from './build-ground.ts';
import type { Flows } from './build-flows.ts';

/** Where Dovecot, Prometheus and admins come in. */
export interface Doors {
  /** @returns where the HTTP service listens, as a URL */
  open(): Promise<string>;
  /** Takes nothing more in, and lets what is inside finish for at most `graceMsecs`. */
  close(graceMsecs: number): Promise<void>;
}

export function buildDoors(
  ground: Ground,
  flows: Flows,
  checks: readonly ReadinessCheck[],
  { adminRoutes, statusRoutes }: Record<'adminRoutes' | 'statusRoutes', FastifyPluginAsyncTypebox>,
): Doors {
  const { config, clock, log, metrics } = ground;
  const bodies = new BodyBudget(SOCKET_LIMITS.bodyOctets);
  const answerScript = createAnswerScript(observe(flows.classify, 'socket', ground));
  const http = createHttpServer({
    log,
    get token() {
      return config.http.token;
    },
    get adminToken() {
      return config.http.admin_token;
    },
    intake: flows.intake,
    classify: counting(observe(flows.classify, 'http', ground)),
    probes: flows.probes,
    onMetadataCommand: (user, command) => flows.source.onNotice(user, command),
    checks,
    registry: metrics.registry,
    bodies,
    monotonic: () => clock.monotonic(),
    ...{ adminRoutes, statusRoutes },
  });
  const sockets: UnixServer[] = [];
  const further: Server[] = [];

  async function openSockets(): Promise<void> {
    sockets.push(
      await forOption('sieve.socket', () =>
        serveScript({
          ...{ name: 'classify', clock, log },
          ...{ path: config.sieve.socket, mode: config.sieve.mode, group: config.sieve.group },
          bodies,
          requestMsecs: CLASSIFY_DEADLINE_MSECS,
          handler: { handle: answerScript },
        }),
      ),
    );
    if (config.metadata.source !== 'dict') return;
    sockets.push(
      await forOption('dict.socket', () =>
        serveDict({
          ...{ backend: flows.gate, clock, log },
          ...{ path: config.dict.socket, mode: config.dict.mode, group: config.dict.group },
          observe: (command, result, msecs) => {
            metrics.dictCommands.inc({ command, result });
            metrics.dictDuration.observe({ command }, msecs / 1_000);
          },
        }),
      ),
    );
  }

  /** The same service, with its limits, over a unix socket. */
  const openHttpSocket = async (): Promise<void> => {
    const { socket: path, mode, group } = config.http;
    if (path === '') return;
    sockets.push(
      await serveUnixSocket({ ...{ path, mode, group, log }, name: 'http' }, (socket) => {
        http.server.emit('connection', socket);
        return { idle: false, drain: () => undefined }; // both are up to the HTTP server
      }),
    );
  };

  /** Where http.listen says, be it systemd that has taken the port before; and where else systemd has. */
  const listen = async (): Promise<void> => {
    const inherited = await takeInheritedListeners();
    const wanted = parseListenAddress(config.http.listen);
    const ours = inherited.find((listener) => isAt(listener, wanted));
    const others = inherited.filter((listener) => listener !== ours);
    const held = others.map(({ host, port }) => `${host}:${port}`).join(', ');
    if (held !== '') {
      log.warn(
        { held, listen: config.http.listen },
        'coi-sidecar.socket has another address than http.listen: set its ListenStream to that (systemctl edit coi-sidecar.socket)',
      );
    }
    const where = ours === undefined ? wanted : { host: wanted.host, fd: ours.fd };
    await http.listen(where).catch((error: unknown) => {
      const code = systemErrorCode(error);
      const heldBySystemd =
        code === 'EADDRINUSE' && others.some(({ port }) => port === wanted.port);
      if (heldBySystemd) {
        throw new InvalidInputError(`${errorMessage(error)}: coi-sidecar.socket holds ${held}`, {
          cause: error,
        });
      }
      // A port below 1024, say: no later attempt gets it.
      if (code !== 'EACCES') throw error;
      throw new InvalidInputError(errorMessage(error), { cause: error });
    });
    for (const listener of others) further.push(await serve(listener));
  };

  const serve = ({ fd }: InheritedListener): Promise<Server> =>
    new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        http.server.emit('connection', socket),
      );
      server.once('error', reject).listen({ fd }, () => resolve(server));
    });

  return {
    open: async () => {
      await openSockets();
      await forOption('http.listen', listen);
      await forOption('http.socket', openHttpSocket);
      const { address, port, family } = http.server.address() as AddressInfo;
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
    },
    close: async (graceMsecs) => {
      const cut = setTimeout(() => http.server.closeAllConnections(), graceMsecs);
      for (const server of further) server.close();
      await Promise.all([
        http.close().finally(() => clearTimeout(cut)),
        ...sockets.map((server) => server.close(graceMsecs)),
      ]);
    },
  };
}

/**
 * Shorter than sieve_execute_exec_timeout in the snippets (1 s): an lmtp whose wait for an answer
 * ends by time panics (2.3.19 and 2.4.1), so there must always be one.
 */
const CLASSIFY_DEADLINE_MSECS = 750;

/** Both roads to the classifier count alike. */
function observe(
  classify: Classify,
  road: (typeof CLASSIFY_ROADS)[number],
  { metrics }: Ground,
): Observed {
  return {
    classify: async (user, message) => {
      const end = metrics.classifyDuration.startTimer();
      try {
        return await classify(user, message);
      } finally {
        end();
      }
    },
    count: (answer) => metrics.classifications.inc({ road, answer }),
  };
}

/** A classifier, and whom to tell what came of a message: `failed`, or the action. */
interface Observed {
  classify: Classify;
  count: (answer: ClassifyAnswer) => void;
}

/** Where each classification is an answer. */
const counting =
  ({ classify, count }: Observed): Classify =>
  async (user, message) => {
    let answer: ClassifyAnswer = 'failed';
    try {
      const classification = await classify(user, message);
      answer = classification.action;
      return classification;
    } finally {
      count(answer);
    }
  };
