// A did:web whose document the node serves: a resolver that others wrote finds it over TLS, and
// the key in it verifies what the issuer signed.

import * as vc from '@digitalbazaar/vc';
import assert from 'node:assert/strict';
import {getResolver} from 'web-did-resolver';
import {join} from 'node:path';
import {readFileSync} from 'node:fs';
import {Resolver} from 'did-resolver';
import {test} from 'node:test';
import {credlogJson, file, folder, inHome} from './lib/credlog.mjs';
import {CREDENTIALS_V2, loader} from './lib/documents.mjs';
import {VERIFIERS} from './lib/sign.mjs';

const home = inHome('did-web');
const {id: did} = JSON.parse(readFileSync(join(home, 'issuer.json')));
const resolver = new Resolver(getResolver());

async function resolve() {
  const {didDocument, didResolutionMetadata} = await resolver.resolve(did);
  assert.equal(didResolutionMetadata.error, undefined, didResolutionMetadata.message);
  assert.equal(didDocument.id, did);
  return didDocument;
}

async function issue() {
  const credential = {
    '@context': [CREDENTIALS_V2],
    type: ['VerifiableCredential'],
    issuer: did,
    credentialSubject: {id: 'did:example:learner'},
  };
  const source = file(credential);
  const out = join(folder, `did-web-${source.replace(/\D/g, '')}`);
  await credlogJson('issue', source, '--out', out, '--issuer-home', home, '--no-status',
    '--achievement', 'https://foreign.example/achievements/any');
  return JSON.parse(readFileSync(join(out, source.slice(folder.length + 1))));
}

// With the document and the methods that the resolver found.
async function isGood(credential) {
  const document = await resolve();
  const more = {[did]: document};
  for(const method of document.verificationMethod) {
    more[method.id] = {'@context': 'https://w3id.org/security/multikey/v1', ...method};
  }
  const result = await vc.verifyCredential(
    {credential, suite: VERIFIERS, documentLoader: loader({more})});
  return result.verified || String(result.error?.errors ?? result.error);
}

test('the document is found, and its key verifies; after a rotation, too', async () => {
  const before = await issue();
  assert.ok(before.proof.verificationMethod.startsWith(`${did}#`));
  assert.equal(await isGood(before), true);

  await credlogJson('issuer', 'rotate-keys', '--issuer-home', home, '--no-passphrase');
  const after = await issue();
  assert.notEqual(after.proof.verificationMethod, before.proof.verificationMethod);
  assert.equal(await isGood(after), true);
  // What the former key signed before it was replaced stays good.
  assert.equal(await isGood(before), true);
});

test('no other name is answered for', async () => {
  const {didResolutionMetadata} = await resolver.resolve(`${did}-other`);
  assert.equal(didResolutionMetadata.error, 'notFound');
});
