// POST /credentials/verify with the check credentialStatus: the node fetches status lists of
// another issuer from CREDLOG_LISTS, an address on loopback that its configuration allows.

import assert from 'node:assert/strict';
import {createServer} from 'node:http';
import {after, test} from 'node:test';
import {accepted, refused, verify} from './lib/profile.mjs';
import {credential, LIST, list, NOT_GOOD, REVOKED} from './lib/lists.mjs';

const CHECKS = {checks: ['proof', 'credentialStatus']};
const NAMESPACE = 'https://www.w3.org/ns/credentials/status-list#';

// Serves what is put at a path.
const served = new Map();
const server = createServer(({url}, answer) => {
  const document = served.get(url);
  answer.writeHead(document ? 200 : 404, {'content-type': 'application/vc'});
  answer.end(JSON.stringify(document));
});
const {hostname, port} = new URL(LIST);
await new Promise(done => server.listen(Number(port), hostname, done));
after(() => server.close());

// What the node caches of one case is not taken for another: each has an address of its own.
let cases = 0;
async function check(members, make, options = CHECKS) {
  const url = `${LIST}/${++cases}`;
  const document = make && await make(url);
  served.set(new URL(url).pathname, document);
  return verify(await credential({id: undefined, statusListCredential: url, ...members}), options);
}
const at = url => list(url);

test('a list that says nothing against it', async () => {
  accepted(await check({}, at));
});

test('revoked', async () => {
  const answer = await check({statusListIndex: String(REVOKED)}, at);
  refused(answer);
  assert.equal(answer.body.verified, false);
});

test('revoked, and nobody asked for the status', async () => {
  accepted(await check({statusListIndex: String(REVOKED)}, at, {checks: ['proof']}));
});

test('a list that cannot be had', async () => {
  const answer = await check({}, undefined);
  refused(answer);
  assert.equal(answer.body.verified, false);
  assert.equal(answer.body.type, `${NAMESPACE}STATUS_RETRIEVAL_ERROR`);
});

for(const [what, [members, make, problem]] of Object.entries(NOT_GOOD)) {
  test(`never good: ${what}`, async () => {
    const answer = await check(members, make);
    refused(answer);
    assert.equal(answer.body.verified, false);
    if(problem) {
      assert.ok(answer.body.type.endsWith(`#${problem}`), answer.body.type);
    }
  });
}
