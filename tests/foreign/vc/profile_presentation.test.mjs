// POST /presentations/verify, held to what W3C's test suite of the data model 2.0 (2026-01) asks
// of a verifier. Every presentation is signed by Digital Bazaar's libraries.

import * as jose from 'jose';
import * as vc from '@digitalbazaar/vc';
import {test} from 'node:test';
import {CREDENTIALS_V1, CREDENTIALS_V2, EXAMPLES_V2, loader} from './lib/documents.mjs';
import {accepted, refused, verify, verifyPresentation} from './lib/profile.mjs';
import {newKey, prove, signer} from './lib/sign.mjs';

const [CHALLENGE, DOMAIN] = ['1235abcd6789', 'domain.example'];
const SUITE = 'eddsa-rdfc-2022';
const documentLoader = loader();
const [holder, university] = [await newKey('Ed25519', 'holder'), await newKey('Ed25519', 'uni')];

const credential = (issuer = university.controller) => ({
  '@context': [CREDENTIALS_V2],
  type: ['VerifiableCredential'],
  validFrom: '2023-02-27T05:03:28Z',
  issuer,
  credentialSubject: {id: 'did:example:subject'},
});
const signedCredential = (document = credential(), key = university) =>
  prove(document, {suite: SUITE, key});

const plain = {
  '@context': [CREDENTIALS_V2],
  type: ['VerifiablePresentation'],
  verifiableCredential: [],
};

const present = (members = {}, {challenge = CHALLENGE, domain} = {}) => vc.signPresentation({
  presentation: JSON.parse(JSON.stringify({...plain, ...members})),
  suite: signer(SUITE, holder), challenge, domain, documentLoader,
});

const changed = (members, change) => async () => {
  const presentation = await present(members);
  change(presentation);
  return presentation;
};

const ACCEPTED = {
  'no credential': () => present(),
  'an id': () => present({id: 'urn:uuid:3978344f-344d-46a2-8556-1e9990000001'}),
  'two contexts': () => present({'@context': [CREDENTIALS_V2, EXAMPLES_V2]}),
  'a context in place, and a type of it': () => present({
    '@context': [CREDENTIALS_V2, {Example: 'https://example.org/#Example'}],
    type: ['VerifiablePresentation', 'Example'],
  }),
  'VC 1.1': () => present({
    '@context': [CREDENTIALS_V1, 'https://w3id.org/security/data-integrity/v2']}),
  'two credentials': async () => present(
    {verifiableCredential: [await signedCredential(), await signedCredential()]}),
  // Nothing tells them apart.
  'a credential twice': async () => {
    const twin = await signedCredential();
    return present({verifiableCredential: [twin, twin]});
  },
  'a credential ten times': async () => {
    const one = await signedCredential();
    return present({verifiableCredential: Array(10).fill(one)});
  },
  'one credential, not in a list': async () =>
    present({verifiableCredential: await signedCredential()}),
  holder: async () => present(
    {holder: holder.controller, verifiableCredential: [await signedCredential()]}),
  'a holder object': () => present({holder: {id: holder.controller}}),
  "the holder's own credential": async () => present({
    holder: holder.controller,
    verifiableCredential: [await signedCredential(credential(holder.controller), holder)],
  }),
};

const REFUSED = {
  'no proof': changed({}, presentation => delete presentation.proof),
  'a bad proof': changed({}, ({proof}) => proof.proofValue = 'z5nmMBw2u9TGKd9NxxHJtyZKgjN2Eh'),
  'no @context': changed({}, presentation => delete presentation['@context']),
  'without the first context': changed({}, presentation =>
    presentation['@context'] = [EXAMPLES_V2]),
  'contexts in the wrong order': changed({'@context': [CREDENTIALS_V2, EXAMPLES_V2]},
    presentation => presentation['@context'].reverse()),
  'a context that nobody has': changed({}, presentation =>
    presentation['@context'][1] = 'https://example.com'),
  'a context that is no URL': changed({}, presentation =>
    presentation['@context'][1] = 'https ://not-a-url/contexts/example/v1'),
  'a context that is a number': changed({}, presentation =>
    presentation['@context'][1] = 123192875),
  'no type': changed({}, presentation => delete presentation.type),
  'without the required type': () => present({
    '@context': [CREDENTIALS_V2, {Example: 'https://example.org/#Example'}], type: ['Example'],
    verifiableCredential: undefined,
  }),
  'a holder without id': () => prove(
    {...plain, holder: {name: 'somebody'}},
    {suite: SUITE, key: holder, proof: {proofPurpose: 'authentication', challenge: CHALLENGE}}),
  'a holder who did not sign': () => present({holder: 'did:example:acme'}),
  "the holder's own credential, without a holder": async () => present({
    verifiableCredential: [await signedCredential(credential(holder.controller), holder)]}),
  'an own credential in the name of another issuer': async () => present({
    holder: holder.controller,
    verifiableCredential: [await signedCredential(credential('did:example:acme'), holder)],
  }),
  'a credential without a proof': () => present({verifiableCredential: [credential()]}),
  'a credential that was changed': async () => {
    const changed = await signedCredential();
    changed.credentialSubject.id = 'did:example:thief';
    return present({verifiableCredential: [await signedCredential(), changed]});
  },
  'a text for a credential': changed({}, presentation =>
    presentation.verifiableCredential = ['did:example:credential']),
  'a number for a credential': changed({}, presentation =>
    presentation.verifiableCredential = 7),
  'the purpose of credentials': () => prove(plain, {suite: SUITE, key: holder}),
};

// Per case: what is in the proof, and what is asked for.
const ASKED = {
  'nothing': [{}, {}, true],
  'no checks': [{}, {checks: []}, true],
  'the challenge': [{}, {challenge: CHALLENGE}, true],
  'challenge and domain': [{domain: DOMAIN}, {challenge: CHALLENGE, domain: DOMAIN}, true],
  'another challenge': [{}, {challenge: 'another'}, false],
  'another domain': [{domain: 'another.example'}, {challenge: CHALLENGE, domain: DOMAIN}, false],
  'a domain that is missing': [{}, {challenge: CHALLENGE, domain: DOMAIN}, false],
};

// An enveloped credential or presentation, signed by the `jose` library.
async function enveloped(kind, payload, typ) {
  const {privateKey, publicKey} = await jose.generateKeyPair('ES256');
  const jwk = await jose.exportJWK(publicKey);
  const did = `did:jwk:${Buffer.from(JSON.stringify(jwk)).toString('base64url')}`;
  const jws = await new jose.CompactSign(Buffer.from(JSON.stringify(payload(did))))
    .setProtectedHeader({alg: 'ES256', typ, kid: `${did}#0`}).sign(privateKey);
  return {'@context': CREDENTIALS_V2, type: kind, id: `data:application/${typ},${jws}`};
}
const envelopedCredential = () =>
  enveloped('EnvelopedVerifiableCredential', credential, 'vc+jwt');
const envelopedPresentation = async () => {
  const inner = await envelopedCredential();
  return enveloped('EnvelopedVerifiablePresentation',
    did => ({...plain, holder: did, verifiableCredential: [inner]}), 'vp+jwt');
};

const ENVELOPES_REFUSED = {
  'no context': {'@context': []},
  'another context': {'@context': EXAMPLES_V2},
  'no type': {type: undefined},
  'another type': {type: 'VerifiableCredential'},
};

for(const [what, make] of Object.entries(ACCEPTED)) {
  test(`presentation, good: ${what}`, async () => {
    accepted(await verifyPresentation(await make()));
  });
}
for(const [what, make] of Object.entries(REFUSED)) {
  test(`presentation, bad: ${what}`, async () => {
    refused(await verifyPresentation(await make()));
  });
}
for(const [what, [proof, options, good]] of Object.entries(ASKED)) {
  test(`presentation, asked for: ${what}`, async () => {
    const answer = await verifyPresentation(await present({}, proof), options);
    (good ? accepted : refused)(answer);
  });
}

const FORMS = [
  ['credential', envelopedCredential, verify],
  ['presentation', envelopedPresentation, verifyPresentation],
];
for(const [what, make, send] of FORMS) {
  test(`enveloped ${what}`, async () => {
    const envelope = await make();
    accepted(await send(envelope));
    accepted(await send({...envelope, '@context': [CREDENTIALS_V2]}));
    for(const members of Object.values(ENVELOPES_REFUSED)) {
      refused(await send({...envelope, ...members}));
    }
    refused(await send({...envelope, id: envelope.id.split(',').pop()}));
    const forged = envelope.id.replace(/..$/, end => end === 'AA' ? 'BB' : 'AA');
    refused(await send({...envelope, id: forged}));
  });
}
