// Each suite, both ways: what Digital Bazaar's libraries sign verifies here, and what credlog
// signs verifies there.

import * as vc from '@digitalbazaar/vc';
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {
  credlog, credlogJson, file, folder, issuer, issuerHome, outcome, post, verdict,
} from './lib/credlog.mjs';
import {CREDENTIALS_V1, CREDENTIALS_V2, loader, OPEN_BADGES} from './lib/documents.mjs';
import {newKey, prove, signer, SUITES, VERIFIERS} from './lib/sign.mjs';

const documentLoader = loader();

const badge = issuer => ({
  '@context': [CREDENTIALS_V2, OPEN_BADGES],
  id: 'urn:uuid:0a3f7f58-5d34-4a3e-9d0c-6f0d4e3a4b01',
  type: ['VerifiableCredential', 'OpenBadgeCredential'],
  name: 'Statistik für Anfänger',
  issuer: {id: issuer, type: ['Profile'], name: 'Foreign University'},
  validFrom: '2024-01-01T00:00:00Z',
  credentialSubject: {
    id: 'did:example:learner',
    type: ['AchievementSubject'],
    achievement: {
      id: 'https://foreign.example/achievements/statistics',
      type: ['Achievement'],
      name: 'Statistics',
      description: 'A course.',
      criteria: {narrative: 'Pass the test.'},
    },
  },
});

const inline = issuer => ({
  '@context': [CREDENTIALS_V2, {
    '@protected': true,
    Licence: {
      '@id': 'urn:example:Licence',
      '@context': {'@protected': true, number: 'urn:example:number'},
    },
    licence: {'@id': 'urn:example:licence', '@type': '@id'},
  }],
  type: ['VerifiableCredential'],
  name: [
    {'@value': 'رخصة', '@language': 'ar', '@direction': 'rtl'},
    {'@value': 'Licence', '@language': 'en-GB', '@direction': 'ltr'},
  ],
  issuer,
  credentialSubject: {id: 'urn:uuid:0a3f7f58-5d34-4a3e-9d0c-6f0d4e3a4b02',
    licence: {type: 'Licence', number: 'T1'}},
});

const older = issuer => ({
  '@context': [CREDENTIALS_V1, 'https://w3id.org/security/data-integrity/v2'],
  type: ['VerifiableCredential'],
  issuer,
  issuanceDate: '2024-01-01T00:00:00Z',
  credentialSubject: {id: 'did:example:learner'},
});

const MODELS = {badge, inline, older};

for(const [suite, {curve}] of Object.entries(SUITES)) {
  for(const [model, credential] of Object.entries(MODELS)) {
    test(`theirs, ${suite}, ${model}: verifies here`, async () => {
      const key = await newKey(curve);
      const signed = await vc.issue({
        credential: credential(key.controller), suite: signer(suite, key), documentLoader});
      const {body} = await post('/v1/verify', signed);
      for(const answer of [await verdict(signed), body]) {
        assert.equal(outcome(answer, 'proof'), 'yes', JSON.stringify(answer));
        assert.equal(answer.summary, 'not_anchored');
      }
      const changed = structuredClone(signed);
      changed.credentialSubject.id = 'did:example:thief';
      assert.equal((await verdict(changed)).summary, 'invalid');
    });
  }

  test(`theirs, ${suite}: what the test signs by hand is what the library signs`, async () => {
    const key = await newKey(curve);
    const signed = await prove(badge(key.controller), {suite, key});
    const result = await vc.verifyCredential({
      credential: signed, suite: VERIFIERS, documentLoader});
    assert.ok(result.verified, String(result.error?.errors ?? result.error));
  });
}

for(const suite of ['eddsa-rdfc-2022', 'eddsa-jcs-2022']) {
  for(const [model, credential] of Object.entries(MODELS)) {
    // Their JCS suites compare contexts by identity, so that a context in place never matches.
    if(suite === 'eddsa-jcs-2022' && model === 'inline') {
      continue;
    }
    test(`ours, ${suite}, ${model}: verifies there`, async () => {
      const [source, out] = [file(credential(issuer)), join(folder, `out-${suite}-${model}`)];
      const achievement = ['--achievement', 'https://foreign.example/achievements/any'];
      await credlogJson('issue', source, '--out', out, '--issuer-home', issuerHome,
        '--suite', suite, ...(model === 'badge' ? [] : achievement));
      const signed = JSON.parse(readFileSync(join(out, source.slice(folder.length + 1))));
      assert.equal((await credlog('verify', file(signed))).code, 0);

      const {credentialStatus, ...unlisted} = signed;
      assert.ok(unlisted.proof);
      const checkStatus = async () => ({verified: true});
      const options = {suite: VERIFIERS, documentLoader, checkStatus};
      const result = await vc.verifyCredential({credential: signed, ...options});
      assert.ok(result.verified, String(result.error?.errors ?? result.error));

      const changed = structuredClone(signed);
      changed.credentialSubject.id = 'did:example:thief';
      const refused = await vc.verifyCredential({credential: changed, ...options});
      assert.equal(refused.verified, false);
    });
  }
}
