import { formatClassification, type Classify } from '../coi/classify.ts';
import { InvalidInputError } from '../errors.ts';
import type { ScriptHandler } from '../script/script-handler.ts';
import { checkUserName } from '../user-name.ts';
import type { ClassifyAnswer } from './start-at-zero.ts';

export interface AnswerScriptParts {
  classify: Classify;
  /** Told what came of a message: the action, or `failed`. A wrong guess is asked about again. */
  count: (answer: ClassifyAnswer) => void;
}

/**
 * What coi.sieve asks. `ping`, without a message: is anyone there? `expect ANSWER`: is this the answer
 * about the message? And without arguments: what is the answer?
 */
export function createAnswerScript({
  classify,
  count,
}: AnswerScriptParts): ScriptHandler['handle'] {
  return async ({ env, args: [question, expected], message }) => {
    if (question === 'ping') return Buffer.alloc(0);
    const user = env.get('USER');
    if (user === undefined) throw new InvalidInputError('Sieve did not say for which user');
    const classification = await classify(checkUserName(user), message).catch((error: unknown) => {
      count('failed');
      throw error;
    });
    const answer = formatClassification(classification);
    const isGuess = question === 'expect';
    if (isGuess && answer !== expected) return undefined;
    count(classification.action);
    return Buffer.from(isGuess ? '' : answer);
  };
}
