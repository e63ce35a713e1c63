// POST /credentials/verify and /presentations/verify, held to what W3C's test suites of Data
// Integrity, EdDSA, ECDSA, the data model 2.0 and VC-API (2024 to 2026) ask of a verifier. Every
// credential is signed by Digital Bazaar's libraries with a did:key that no ledger knows.

import {test} from 'node:test';
import {
  CREDENTIALS_V1, CREDENTIALS_V2, DATA_INTEGRITY_V2, EXAMPLES_V2, loader,
} from './lib/documents.mjs';
import {NODE} from './lib/credlog.mjs';
import {accepted, call, refused, verify} from './lib/profile.mjs';
import {newKey, now, prove, SUITES} from './lib/sign.mjs';

const [CHALLENGE, DOMAIN] = ['1235abcd6789', 'domain.example'];
const PROOF_ID = 'urn:uuid:9f6a2c5e-3b8d-4b1f-8a27-2f7a4b0c0001';
const UNKNOWN_TYPE = 'UnknownProofType';
const YEAR_S = 365 * 86_400;

const MODELS = {
  'VC 2.0': issuer => ({
    '@context': [CREDENTIALS_V2],
    id: 'urn:uuid:86294362-4254-4f36-854f-3952fe42555d',
    type: ['VerifiableCredential'],
    issuer,
    credentialSubject: {id: 'did:example:subject', name: 'ExampleClaim'},
  }),
  'VC 1.1': issuer => ({
    '@context': [CREDENTIALS_V1, DATA_INTEGRITY_V2, EXAMPLES_V2],
    id: 'urn:uuid:86294362-4254-4f36-854f-3952fe42555e',
    type: ['VerifiableCredential'],
    issuer,
    issuanceDate: '2024-01-01T00:00:00Z',
    credentialSubject: {id: 'did:example:subject', name: 'ExampleClaim'},
  }),
};

// Contexts with a proof type and a purpose of their own, so that such a proof can be signed.
const widened = await (async () => {
  const documents = {};
  for(const url of [CREDENTIALS_V2, DATA_INTEGRITY_V2]) {
    const document = structuredClone((await loader()(url)).document);
    const terms = document['@context'];
    const {proofPurpose} = terms.DataIntegrityProof['@context'];
    proofPurpose['@context'].invalidPurpose = {
      '@id': 'https://w3id.org/security#invalidPurpose', '@type': '@id', '@container': '@set'};
    terms[UNKNOWN_TYPE] = terms.DataIntegrityProof;
    documents[url] = document;
  }
  return loader({more: documents});
})();

// Per case: how a credential is signed, and what becomes of it afterwards.
const changed = change => async ({credential, ...options}) => {
  const signed = await prove(credential, options);
  change(signed);
  return signed;
};
const proven = proof => ({credential, ...options}) =>
  prove(credential, {...options, proof, documentLoader: widened});
const withoutOffset = time => time.replace(/Z$/, '');

// A chain: a second proof that also signs the first.
const chained = (members, change = () => {}) => async ({credential, ...options}) => {
  const first = await prove(credential, {...options, proof: {id: PROOF_ID}});
  const second = await prove(first, {...options, proof: members, previous: [first.proof]});
  change(second);
  return second;
};

const ACCEPTED = {
  'as it was signed': proven({}),
  'created a year ago': proven({created: now(-YEAR_S)}),
  'created with an offset': proven({created: '2024-02-25T07:16:31-06:00'}),
  'not created at a time': proven({created: undefined}),
  'expires in a year': proven({expires: now(YEAR_S)}),
  'a set of two proofs': async ({credential, ...options}) =>
    prove(await prove(credential, options), options),
  'a chain': chained({previousProof: PROOF_ID}),
  'a chain by a list': chained({previousProof: [PROOF_ID]}),
};

const REFUSED = {
  'no proof': changed(signed => delete signed.proof),
  'proof null': changed(signed => signed.proof = null),
  'proof a text': changed(signed => signed.proof = 'proof'),
  'proof a number': changed(signed => signed.proof = 10),
  'proof true': changed(signed => signed.proof = true),
  'no proofs': changed(signed => signed.proof = []),
  'no type of the proof': changed(({proof}) => delete proof.type),
  'another type of proof': proven({type: UNKNOWN_TYPE}),
  'no verification method': proven({verificationMethod: undefined}),
  'a verification method that is none': proven({verificationMethod: 'did:key:invalidVm'}),
  'no purpose': proven({proofPurpose: undefined}),
  'another purpose': proven({proofPurpose: 'invalidPurpose'}),
  'the purpose of presentations': proven({proofPurpose: 'authentication'}),
  'no proof value': changed(({proof}) => delete proof.proofValue),
  'proof value null': changed(({proof}) => proof.proofValue = null),
  'a proof value without its base':
    changed(({proof}) => proof.proofValue = proof.proofValue.slice(1)),
  'a proof value that is too long':
    changed(({proof}) => proof.proofValue += '2'.repeat(44)),
  'no suite': changed(({proof}) => delete proof.cryptosuite),
  'another suite': proven({cryptosuite: 'UnknownCryptosuite'}),
  'created at no time': proven({created: 'invalidDate'}),
  'expires at no time': proven({expires: 'invalidDate'}),
  'expired': proven({expires: now(-60)}),
  'expired, without an offset': proven({expires: withoutOffset(now(-60))}),
  'created taken out': changed(({proof}) => delete proof.created),
  'a claim changed': changed(signed => signed.credentialSubject.id = 'did:example:thief'),
  'an undefined term': changed(signed => signed.undefinedTerm = 'IfDroppedWillVerify'),
  'an undefined type': changed(signed => signed.type.push('UndefinedType')),
  'a bad proof in a set': async ({credential, ...options}) => {
    const signed = await prove(await prove(credential, options), options);
    const [first] = signed.proof;
    first.proofValue = first.proofValue.replace(/.$/, last => last === '2' ? '3' : '2');
    return signed;
  },
  'a chain to no proof': chained({previousProof: 'urn:uuid:test:missing:proof'}),
  'a chain to no proof, by a list': chained({previousProof: ['urn:uuid:test:missing:proof']}),
  'a chain whose first proof is bad':
    chained({previousProof: PROOF_ID}, ({proof}) => proof[0].proofValue = 'invalidProofValue'),
  'a chain whose first proof has another id':
    chained({previousProof: PROOF_ID}, ({proof}) => proof[0].id = 'urn:uuid:another'),
  'a chain whose first proof is another one': async options => {
    const {proof: [, second], ...signed} = await chained({previousProof: PROOF_ID})(options);
    const {proof: another} = await prove(options.credential, {
      ...options, proof: {id: PROOF_ID, created: now(-100)}});
    return {...signed, proof: [another, second]};
  },
  'the key of somebody else': async ({credential, suite}) => {
    const key = await newKey(SUITES[suite].curve, 'somebody else');
    return prove(credential, {suite, key});
  },
  'a key of somebody else, called the issuer\'s': async ({credential, suite, key}) => {
    const other = await newKey(SUITES[suite].curve, 'somebody else');
    return prove(credential, {suite, key: other, proof: {verificationMethod: key.id}});
  },
};

const SIBLING = {
  'eddsa-rdfc-2022': 'eddsa-jcs-2022', 'eddsa-jcs-2022': 'eddsa-rdfc-2022',
  'ecdsa-rdfc-2019': 'ecdsa-jcs-2019', 'ecdsa-jcs-2019': 'ecdsa-rdfc-2019',
};

const OPTIONS_REFUSED = {
  'another expected purpose': [{}, {expectedProofPurpose: 'authentication'}],
  'another domain': [{challenge: CHALLENGE, domain: 'invalid.example'}, {domain: DOMAIN}],
  'no domain': [{}, {domain: DOMAIN}],
  'another challenge':
    [{challenge: 'invalid', domain: DOMAIN}, {challenge: CHALLENGE, domain: DOMAIN}],
};

/** Members of a signed credential that make it no credential. */
const FORMS_REFUSED = {
  '@context': [undefined, 'string', {}, null, 10, true, [[]], [{}], [null], [10], [true]],
  type: [undefined, 'string', {}, null, 10, true, [[]], [{}], [null], [10], [true]],
  issuer: [undefined, [], null, 10, true],
  credentialSubject: [undefined, 'string', null, 10, true, []],
};

async function signable(suite, model) {
  const key = await newKey(SUITES[suite].curve);
  return {suite, key, credential: MODELS[model](key.controller)};
}

// Over TLS one suite will do.
const suites = NODE.startsWith('https:') ? ['eddsa-rdfc-2022'] : Object.keys(SUITES);

for(const suite of suites) {
  for(const model of Object.keys(MODELS)) {
    for(const [what, make] of Object.entries(ACCEPTED)) {
      test(`${suite}, ${model}, good: ${what}`, async () => {
        accepted(await verify(await make(await signable(suite, model))));
      });
    }
    for(const [what, make] of Object.entries(REFUSED)) {
      test(`${suite}, ${model}, bad: ${what}`, async () => {
        refused(await verify(await make(await signable(suite, model))));
      });
    }
    test(`${suite}, ${model}, bad: the canonical form of the other suite`, async () => {
      const options = await signable(SIBLING[suite], model);
      const signed = await prove(options.credential, {...options, proof: {cryptosuite: suite}});
      refused(await verify(signed));
    });
    for(const [what, [proof, options]] of Object.entries(OPTIONS_REFUSED)) {
      test(`${suite}, ${model}, options refuse: ${what}`, async () => {
        const signed = await proven(proof)(await signable(suite, model));
        refused(await verify(signed, options));
      });
    }
  }
}

for(const [member, values] of Object.entries(FORMS_REFUSED)) {
  test(`no credential: ${member}`, async () => {
    const {credential, ...options} = await signable('eddsa-rdfc-2022', 'VC 1.1');
    const signed = await prove(credential, options);
    for(const value of values) {
      refused(await verify({...signed, [member]: value}));
    }
  });
}

test('created without an offset is in UTC', async () => {
  const options = await signable('eddsa-jcs-2022', 'VC 2.0');
  const proof = {created: withoutOffset(now(-60))};
  accepted(await verify(await prove(options.credential, {...options, proof})));
});

test('options may be empty or left out', async () => {
  const {credential, ...options} = await signable('eddsa-rdfc-2022', 'VC 2.0');
  const verifiableCredential = await prove(credential, options);
  for(const body of [{}, {options: {}}, {options: {checks: []}}]) {
    accepted(await call('/credentials/verify', {verifiableCredential, ...body}));
  }
});

test('what has another form is refused', async () => {
  const document = {type: ['NonconformingDocument']};
  for(const path of ['/credentials/verify', '/presentations/verify']) {
    refused(await call(path, {}));
    refused(await call(path, {credential: document}));
    refused(await call(path, {
      verifiableCredential: document, verifiablePresentation: document}));
  }
});

test('a context in place, with terms of a type', async () => {
  const {credential, ...options} = await signable('eddsa-rdfc-2022', 'VC 2.0');
  credential['@context'].push({
    '@protected': true,
    LicenceCredential: 'urn:example:LicenceCredential',
    Licence: {
      '@id': 'urn:example:Licence',
      '@context': {
        '@protected': true,
        id: '@id',
        type: '@type',
        documentIdentifier: 'urn:example:documentIdentifier',
      },
    },
    licence: {'@id': 'urn:example:licence', '@type': '@id'},
  });
  credential.type.push('LicenceCredential');
  credential.credentialSubject.licence = {type: 'Licence', documentIdentifier: 'T21387'};
  const signed = await prove(credential, options);
  accepted(await verify(signed));
  signed.credentialSubject.licence.documentIdentifier = 'T21388';
  refused(await verify(signed));
});
