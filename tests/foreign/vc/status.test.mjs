// A change of status as the rest of the world sees it: Digital Bazaar's status check reads the
// lists that the node serves.

import * as statusList from '@digitalbazaar/vc-bitstring-status-list';
import * as vc from '@digitalbazaar/vc';
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import {credlogJson, file, folder, issuer, issuerHome, NODE} from './lib/credlog.mjs';
import {CREDENTIALS_V1, CREDENTIALS_V2, loader} from './lib/documents.mjs';
import {VERIFIERS} from './lib/sign.mjs';

const documentLoader = loader({node: NODE});

const MODELS = {
  'VC 2.0': {
    '@context': [CREDENTIALS_V2],
    type: ['VerifiableCredential'],
    issuer,
    validFrom: '2024-01-01T00:00:00Z',
    credentialSubject: {id: 'did:example:learner'},
  },
  'VC 1.1': {
    '@context': [CREDENTIALS_V1, 'https://w3id.org/security/data-integrity/v2'],
    type: ['VerifiableCredential'],
    issuer,
    issuanceDate: '2024-01-01T00:00:00Z',
    credentialSubject: {id: 'did:example:learner'},
  },
};

async function issue(credential, name) {
  const [source, out] = [file(credential), join(folder, name)];
  await credlogJson('issue', source, '--out', out, '--issuer-home', issuerHome,
    '--achievement', 'https://foreign.example/achievements/any');
  return JSON.parse(readFileSync(join(out, source.slice(folder.length + 1))));
}

async function change(word, credential) {
  await credlogJson(word, file(credential), '--issuer-home', issuerHome,
    '--reason', 'issued-in-error', '--yes');
}

// What their library says of a credential: the status of each entry by its purpose. Its
// `verified` is true for a revoked credential, too; only the entries tell.
async function check(credential) {
  const checkStatus = options => statusList.checkStatus({
    ...options, suite: VERIFIERS, documentLoader, verifyMatchingIssuers: false});
  const result = await vc.verifyCredential({
    credential, suite: VERIFIERS, documentLoader, checkStatus});
  assert.ok(result.verified, String(result.statusResult?.error ?? result.error?.errors));
  const entries = result.statusResult.results.map(
    ({credentialStatus, status}) => [credentialStatus.statusPurpose, status]);
  return Object.fromEntries(entries);
}

for(const [model, credential] of Object.entries(MODELS)) {
  test(`${model}: their status check follows suspension and revocation`, async () => {
    const issued = await issue(credential, model);
    const purposes = issued.credentialStatus.map(({statusPurpose}) => statusPurpose);
    assert.deepEqual(purposes, ['revocation', 'suspension']);

    assert.deepEqual(await check(issued), {revocation: false, suspension: false});
    await change('suspend', issued);
    assert.deepEqual(await check(issued), {revocation: false, suspension: true});
    await change('reinstate', issued);
    assert.deepEqual(await check(issued), {revocation: false, suspension: false});
    const before = new Date().toISOString();
    await change('revoke', issued);
    assert.deepEqual(await check(issued), {revocation: true, suspension: false});

    const [{statusListCredential, statusListIndex}] = issued.credentialStatus;
    const path = new URL(statusListCredential).pathname;
    const past = await fetch(`${NODE}${path}?timestamp=${encodeURIComponent(before)}`);
    assert.equal(past.status, 200);
    const {credentialSubject: {encodedList}} = await past.json();
    const list = await statusList.decodeList({encodedList});
    assert.equal(list.getStatus(Number(statusListIndex)), false);
  });
}

test('a list is a good credential of its own, and a changed one is not', async () => {
  const issued = await issue(MODELS['VC 2.0'], 'list');
  const {document: list} = await documentLoader(issued.credentialStatus[0].statusListCredential);
  assert.equal(list.id, issued.credentialStatus[0].statusListCredential);
  assert.deepEqual(list.type, ['VerifiableCredential', 'BitstringStatusListCredential']);
  assert.equal(list.credentialSubject.type, 'BitstringStatusList');
  const bits = await statusList.decodeList({encodedList: list.credentialSubject.encodedList});
  assert.ok(bits.length >= 131_072);
  const options = {suite: VERIFIERS, documentLoader};
  assert.ok((await vc.verifyCredential({credential: list, ...options})).verified);

  const changed = structuredClone(list);
  changed.credentialSubject.statusPurpose = 'suspension';
  assert.equal((await vc.verifyCredential({credential: changed, ...options})).verified, false);
});
