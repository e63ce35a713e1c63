// Status lists of other issuers, handed over: what Digital Bazaar's library encodes is read, and a
// list that is not what it should be never says that a credential is good.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {credlog, file, outcome, post} from './lib/credlog.mjs';
import {credential, list, NOT_GOOD, REVOKED} from './lib/lists.mjs';

// What both ways of asking say about the list; they have to agree.
async function found(credential, lists) {
  const files = lists.flatMap(list => ['--status-list', file(list)]);
  const {stdout, stderr} = await credlog('verify', '--json', file(credential), ...files);
  const local = JSON.parse(stdout || '{}').verdict;
  const {status, body} = await post('/v1/verify', {credential, statusLists: lists});
  if(!local || status !== 200) {
    return {refused: true, text: stderr + JSON.stringify(body)};
  }
  assert.equal(outcome(local, 'status_list'), outcome(body, 'status_list'));
  assert.equal(local.summary, body.summary);
  return {outcome: outcome(body, 'status_list'), summary: body.summary, text: JSON.stringify(body)};
}

test('a list that Digital Bazaar encoded is read', async () => {
  const good = await found(await credential(), [await list()]);
  assert.equal(good.outcome, 'yes', good.text);
  const revoked = await found(
    await credential({id: undefined, statusListIndex: String(REVOKED)}), [await list()]);
  assert.equal(revoked.outcome, 'no', revoked.text);
  assert.equal(revoked.summary, 'revoked');
});

test('an index as a number is read, as some issuers write it', async () => {
  const revoked = await found(await credential({statusListIndex: REVOKED}), [await list()]);
  assert.equal(revoked.outcome, 'no', revoked.text);
});

test('a list for two purposes is read', async () => {
  const both = await list(undefined, {statusPurpose: ['suspension', 'revocation']});
  const revoked = await found(await credential({statusListIndex: String(REVOKED)}), [both]);
  assert.equal(revoked.outcome, 'no', revoked.text);
});

test('never good: no list', async () => {
  const answer = await found(await credential(), []);
  assert.equal(answer.outcome, 'unknown', answer.text);
});

for(const [what, [members, make]] of Object.entries(NOT_GOOD)) {
  test(`never good: ${what}`, async () => {
    const answer = await found(await credential(members), [await make()]);
    assert.ok(answer.refused || ['no', 'unknown'].includes(answer.outcome), answer.text);
    assert.notEqual(answer.summary, 'revoked', answer.text);
  });
}
