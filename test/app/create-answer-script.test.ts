import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAnswerScript } from '../../src/app/create-answer-script.ts';
import { InvalidInputError, UnavailableError } from '../../src/errors.ts';

function setUp() {
  const counted: string[] = [];
  const answerScript = createAnswerScript({
    classify: (user) =>
      user === 'broken'
        ? Promise.reject(new UnavailableError('the store is away'))
        : Promise.resolve({ action: 'file', mailbox: 'COI/Chats' }),
    count: (answer) => counted.push(answer),
  });
  const ask = async (args: string[], user: string | undefined = 'anna') => {
    const env = new Map(user === '' ? [] : [['USER', user]]);
    const request = { env, args, message: Buffer.from('Chat-Version: 1.0\n\n') };
    return (await answerScript(request))?.toString();
  };
  return { counted, ask };
}

describe('createAnswerScript', () => {
  it('answers, and counts what came of a message once', async () => {
    const { counted, ask } = setUp();
    assert.equal(await ask([]), 'file COI/Chats');
    assert.equal(await ask(['ping'], ''), '');
    assert.deepEqual(counted, ['file']);
  });

  it('says whether a guess is right; a wrong one is no answer yet', async () => {
    const { counted, ask } = setUp();
    assert.equal(await ask(['expect', 'file COI/Chats']), '');
    assert.equal(await ask(['expect', 'file Elsewhere']), undefined);
    assert.equal(await ask(['expect', 'flag']), undefined);
    assert.deepEqual(counted, ['file']);
  });

  it('counts and passes on a failed classification', async () => {
    const { counted, ask } = setUp();
    await assert.rejects(ask([], ''), InvalidInputError);
    await assert.rejects(ask(['expect', 'keep'], 'broken'), UnavailableError);
    assert.deepEqual(counted, ['failed']);
  });

  it('asks about no name that doveadm would take for many users', async () => {
    const { counted, ask } = setUp();
    for (const user of ['*', 'ann?', 'anna\n']) await assert.rejects(ask([], user), /user's name/);
    assert.deepEqual(counted, []);
  });
});
