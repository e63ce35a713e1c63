// Compact JWS: what the `jose` library signs verifies here, and what credlog signs verifies there.

import * as ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import * as jose from 'jose';
import * as statusList from '@digitalbazaar/vc-bitstring-status-list';
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {readdirSync, readFileSync} from 'node:fs';
import {test} from 'node:test';
import {
  credlogJson, file, folder, issuer, issuerHome, NODE, outcome, post, verdict,
} from './lib/credlog.mjs';
import {CREDENTIALS_V1, CREDENTIALS_V2, loader, OPEN_BADGES} from './lib/documents.mjs';
import {newKey, VERIFIERS} from './lib/sign.mjs';

const ALGORITHMS = ['EdDSA', 'ES256', 'RS256'];
const DAY_S = 86_400;
const BEGAN_S = Math.floor(Date.parse('2024-01-01T00:00:00Z') / 1000);

const base64url = value => Buffer.from(JSON.stringify(value)).toString('base64url');

// A key pair with an issuer that it is bound to: did:jwk names any key.
async function keyPair(alg) {
  const options = alg === 'EdDSA' ? {crv: 'Ed25519', extractable: true} : {extractable: true};
  const {privateKey, publicKey} = await jose.generateKeyPair(alg, options);
  const jwk = await jose.exportJWK(publicKey);
  const did = `did:jwk:${base64url(jwk)}`;
  return {alg, privateKey, publicKey, jwk, did, kid: `${did}#0`};
}

const vc2 = issuer => ({
  '@context': [CREDENTIALS_V2],
  id: 'urn:uuid:5f1f8a5c-6f52-4a53-9d0c-3d8d4e3a4b11',
  type: ['VerifiableCredential'],
  issuer,
  validFrom: '2024-01-01T00:00:00Z',
  credentialSubject: {id: 'did:example:learner'},
});

const badge = issuer => ({
  ...vc2(issuer),
  '@context': [CREDENTIALS_V2, OPEN_BADGES],
  type: ['VerifiableCredential', 'OpenBadgeCredential'],
  issuer: {id: issuer, type: ['Profile'], name: 'Foreign University'},
  name: 'Statistics',
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

const vc1 = issuer => ({
  '@context': [CREDENTIALS_V1],
  id: 'urn:uuid:5f1f8a5c-6f52-4a53-9d0c-3d8d4e3a4b12',
  type: ['VerifiableCredential'],
  issuer,
  issuanceDate: '2024-01-01T00:00:00Z',
  credentialSubject: {id: 'did:example:learner'},
});

// The forms in which credentials travel as a JWS: header and claims of each.
const FORMS = {
  'VC 2.0, vc+jwt': ({did, kid}) => [{typ: 'vc+jwt', cty: 'vc', kid}, vc2(did)],
  'VC 2.0, vc+jwt with iss': ({did, kid}) =>
    [{typ: 'vc+jwt', kid}, {iss: did, ...vc2(did)}],
  'Open Badges 3.0, key in the header': ({did, jwk}) =>
    [{typ: 'JWT', jwk}, {...claims(badge(did)), ...badge(did)}],
  'Open Badges 3.0, kid': ({did, kid}) =>
    [{typ: 'JWT', kid}, {...claims(badge(did)), ...badge(did)}],
  'VC 1.1, claim vc': ({did, kid}) => [{typ: 'JWT', kid}, {...claims(vc1(did)), vc: vc1(did)}],
};

// The registered claims that repeat a credential (Open Badges 3.0 section 8.2.4).
function claims(credential) {
  return {
    iss: credential.issuer.id ?? credential.issuer,
    jti: credential.id,
    sub: credential.credentialSubject.id,
    nbf: BEGAN_S,
  };
}

const sign = ({alg, privateKey}, header, payload) =>
  new jose.CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({alg, ...header}).sign(privateKey);

async function proves(jws, expected) {
  const {status, body} = await post('/v1/verify', jws);
  assert.equal(status, 200, JSON.stringify(body));
  for(const answer of [await verdict(jws), body]) {
    assert.equal(outcome(answer, 'proof'), expected, JSON.stringify(answer));
    assert.equal(answer.summary, expected === 'yes' ? 'not_anchored' : 'invalid');
  }
}

// Refused as no credential, or found invalid: never anything better.
async function fails(jws) {
  const {status, body} = await post('/v1/verify', jws);
  if(status === 200) {
    assert.equal(body.summary, 'invalid', JSON.stringify(body));
  } else {
    assert.ok([400, 422].includes(status), JSON.stringify(body));
  }
}

for(const alg of ALGORITHMS) {
  for(const [form, make] of Object.entries(FORMS)) {
    test(`theirs, ${alg}, ${form}: verifies here`, async () => {
      const key = await keyPair(alg);
      const jws = await sign(key, ...make(key));
      await proves(jws, 'yes');

      const [header, payload, signature] = jws.split('.');
      const forged = {...JSON.parse(Buffer.from(payload, 'base64url')), name: 'another'};
      await fails([header, base64url(forged), signature].join('.'));
      const other = await sign(await keyPair(alg), ...make(key));
      await fails([header, payload, other.split('.')[2]].join('.'));
    });
  }
}

for(const curve of ['Ed25519', 'P-256']) {
  test(`theirs, did:key of ${curve}: verifies here`, async () => {
    const key = await newKey(curve);
    const alg = curve === 'P-256' ? 'ES256' : 'EdDSA';
    const header = {alg, typ: 'vc+jwt', kid: key.id};
    const input = `${base64url(header)}.${base64url(vc2(key.controller))}`;
    const signature = await key.signer().sign({data: Buffer.from(input)});
    await proves(`${input}.${Buffer.from(signature).toString('base64url')}`, 'yes');
  });
}

const REFUSED = {
  'alg none': ({did, kid}) =>
    `${base64url({alg: 'none', typ: 'vc+jwt', kid})}.${base64url(vc2(did))}.`,
  'the public key as an HMAC secret': async ({did, kid, publicKey}) => {
    const secret = Buffer.from(await jose.exportSPKI(publicKey));
    return new jose.CompactSign(Buffer.from(JSON.stringify(vc2(did))))
      .setProtectedHeader({alg: 'HS256', typ: 'vc+jwt', kid}).sign(secret);
  },
  'iss is not the issuer': key =>
    sign(key, {typ: 'vc+jwt', kid: key.kid}, {iss: 'did:example:other', ...vc2(key.did)}),
  'jti is not the id': key => sign(key, {typ: 'JWT', kid: key.kid},
    {...claims(badge(key.did)), jti: 'urn:uuid:0', ...badge(key.did)}),
  'sub is not the subject': key => sign(key, {typ: 'JWT', kid: key.kid},
    {...claims(badge(key.did)), sub: 'did:example:thief', ...badge(key.did)}),
  'nbf is not validFrom': key => sign(key, {typ: 'JWT', kid: key.kid},
    {...claims(badge(key.did)), nbf: BEGAN_S - DAY_S, ...badge(key.did)}),
  'claim vc in a vc+jwt': key =>
    sign(key, {typ: 'vc+jwt', kid: key.kid}, {...vc2(key.did), vc: vc2(key.did)}),
  'another media type': key => sign(key, {typ: 'at+jwt', kid: key.kid}, vc2(key.did)),
  'a header that must be understood': key =>
    sign(key, {typ: 'vc+jwt', kid: key.kid, crit: ['b64'], b64: true}, vc2(key.did)),
  'an issuer that the key does not belong to': async key => {
    const other = await keyPair('ES256');
    return sign(key, {typ: 'vc+jwt', kid: key.kid}, vc2(other.did));
  },
};

for(const [what, make] of Object.entries(REFUSED)) {
  test(`theirs, refused: ${what}`, async () => {
    await fails(await make(await keyPair('ES256')));
  });
}

test('theirs, a kid of a key that did not sign: refused', async () => {
  const [signer, named] = [await keyPair('EdDSA'), await keyPair('EdDSA')];
  await fails(await sign(signer, {typ: 'vc+jwt', kid: named.kid}, vc2(named.did)));
});

const documentLoader = loader({node: NODE});
const ACHIEVEMENT = ['--achievement', 'https://foreign.example/achievements/any'];

// What they find in a JWS: its header and payload, if the signature is good.
async function opened(jws) {
  const {kid} = jose.decodeProtectedHeader(jws);
  const {document} = await documentLoader(kid);
  const jwk = await ed25519Multikey.toJwk({keyPair: await ed25519Multikey.from(document)});
  const key = await jose.importJWK(jwk, 'EdDSA');
  const {protectedHeader, payload} = await jose.compactVerify(jws, key);
  return {header: protectedHeader, payload: JSON.parse(Buffer.from(payload))};
}

const OURS = {
  'VC 2.0': {credential: vc2(issuer), typ: 'vc+jwt', options: ACHIEVEMENT},
  'Open Badges 3.0': {credential: badge(issuer), typ: 'vc+jwt', options: []},
  'VC 1.1': {credential: vc1(issuer), typ: 'JWT', options: ACHIEVEMENT},
};

for(const [model, {credential, typ, options}] of Object.entries(OURS)) {
  test(`ours, ${model}: verifies there, with its status`, async () => {
    const [source, out] = [file(credential), join(folder, `jws ${model}`)];
    await credlogJson('issue', source, '--jws', '--out', out, '--issuer-home', issuerHome,
      ...options);
    const [name] = readdirSync(out).filter(name => name.endsWith('.jwt'));
    const jws = readFileSync(join(out, name), 'utf8').trim();
    assert.equal((await verdict(jws)).summary, 'valid');

    const {header, payload} = await opened(jws);
    assert.equal(header.typ, typ);
    assert.equal(header.alg, 'EdDSA');
    const {credentialStatus, ...rest} = payload.vc ?? payload;
    assert.deepEqual(Object.keys(rest).filter(key => !(key in credential)),
      Object.keys(rest).filter(key => ['iss', 'jti', 'sub', 'nbf', 'exp', 'iat'].includes(key)));
    assert.deepEqual(rest.credentialSubject, credential.credentialSubject);
    const status = () => statusList.checkStatus({
      credential: {...rest, credentialStatus},
      suite: VERIFIERS, documentLoader, verifyMatchingIssuers: false});
    assert.deepEqual((await status()).results.map(({status}) => status), [false, false]);
    await credlogJson('revoke', file(jws, 'jwt'), '--issuer-home', issuerHome,
      '--reason', 'issued-in-error', '--yes');
    assert.deepEqual((await status()).results.map(({status}) => status), [true, false]);
    assert.equal((await verdict(jws)).summary, 'revoked');

    const [head, , signature] = jws.split('.');
    await assert.rejects(opened([head, base64url({...payload, name: 'x'}), signature].join('.')));
  });
}
