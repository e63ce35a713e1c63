// POST /credentials/issue and /credentials/status, held to what W3C's test suites of the data
// model 2.0 (2026-01) and of VC-API ask of an issuer.

import * as statusList from '@digitalbazaar/vc-bitstring-status-list';
import * as vc from '@digitalbazaar/vc';
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {issuer, NODE} from './lib/credlog.mjs';
import {CREDENTIALS_V1, CREDENTIALS_V2, EXAMPLES_V2, loader} from './lib/documents.mjs';
import {accepted, call, issue, refused} from './lib/profile.mjs';
import {VERIFIERS} from './lib/sign.mjs';

const documentLoader = loader({node: NODE});

const plain = {
  '@context': [CREDENTIALS_V2],
  type: ['VerifiableCredential'],
  issuer,
  credentialSubject: {id: 'did:example:subject'},
};
const terms = definitions => ({'@context': [CREDENTIALS_V2, definitions]});
const typed = (type, definitions) =>
  ({type: ['VerifiableCredential', type], ...terms(definitions)});
const own = (term, iri = `https://example.org/examples#${term}`) => ({[term]: iri});
const NO_URL = 'https ://not-a-url/1';
const CONTEXT_SRI = 'sha384-l/HrjlBCNWyAX91hr6LFV2Y3heB5Tcr6IeE4/Tje8YyzYBM8IhqjHWiWpr8+ZbYU';
const CONTEXT_MULTIBASE = 'uWZVc7WaX1h4D8rJVb-vlMIqxaEKEb1tYbX8fet7JJzQ';

const english = {'@value': 'Example', '@language': 'en'};
const texts = {
  'a text': 'Example',
  'in a language': english,
  'in a language with its direction': {...english, '@direction': 'ltr'},
  'in two languages': [english, {'@value': 'Exemple', '@language': 'fr'}],
};

/** Members in place of those of the plain credential; undefined takes one out. */
const ISSUED = {
  plain: {},
  'no validity, an id': {id: 'urn:uuid:0d4a7b1e-52f7-4c6b-9a3d-5f4f1f1d0001'},
  'two contexts': {'@context': [CREDENTIALS_V2, EXAMPLES_V2]},
  'a context in place': typed('ExampleCredential', own('ExampleCredential')),
  'a type that is a URL': {type: ['VerifiableCredential', 'https://example.org/#Example']},
  'types in another order': {type: ['https://example.org/#Example', 'VerifiableCredential']},
  'another issuer, which the node replaces': {issuer: 'did:example:other-issuer'},
  'an issuer object': {issuer: {id: issuer, name: 'University'}},
  'several subjects': {credentialSubject: [{id: 'did:example:a'}, {id: 'did:example:b'}]},
  'validFrom with milliseconds': {validFrom: '2024-02-25T07:16:31.123Z'},
  'validFrom with an offset': {validFrom: '2024-02-25T07:16:31-06:00'},
  'validFrom in the future': {validFrom: '2099-01-01T00:00:00Z'},
  'validUntil in the past': {validUntil: '2024-01-01T00:00:00Z'},
  'validUntil after validFrom':
    {validFrom: '2024-01-01T00:00:00Z', validUntil: '2099-01-01T00:00:00Z'},
  'a status of another kind': {
    ...terms(own('ListStatus2017')),
    credentialStatus: {id: 'did:example:status', type: 'ListStatus2017'},
  },
  'a status without id':
    {...terms(own('ListStatus2017')), credentialStatus: {type: 'ListStatus2017'}},
  schemas: {credentialSchema: [1, 2].map(
    n => ({id: `did:example:schemas/${n}`, type: 'https://example.org/#Schema'}))},
  'a refresh service':
    {refreshService: {id: 'did:example:refresh/1', type: 'https://example.org/#Refresh'}},
  'terms of use':
    {...terms(own('Policy2017')), termsOfUse: [{type: 'Policy2017'}, {type: 'Policy2017'}]},
  evidence: {...terms(own('Check2018')), evidence: [{type: 'Check2018'}]},
  'related resources': {relatedResource: [{
    id: CREDENTIALS_V2, mediaType: 'application/ld+json',
    digestSRI: CONTEXT_SRI, digestMultibase: CONTEXT_MULTIBASE,
  }]},
  ...Object.fromEntries(Object.entries(texts).flatMap(([what, text]) => [
    [`name: ${what}`, {name: text}],
    [`description: ${what}`, {description: text}],
    [`issuer's name: ${what}`, {issuer: {id: issuer, name: text}}],
    [`issuer's description: ${what}`, {issuer: {id: issuer, description: text}}],
  ])),
};

const odd = {...english, url: 'did:example:credential'};
const status = entry => ({...terms(own('ListStatus2017')), credentialStatus: entry});
const related = (...resources) => ({relatedResource: resources});

const REFUSED = {
  'no @context': {'@context': undefined},
  'a number as @context': {'@context': 4},
  'false as @context': {'@context': false},
  'null as @context': {'@context': null},
  'without the first context': {'@context': [EXAMPLES_V2]},
  'contexts in the wrong order': {'@context': [EXAMPLES_V2, CREDENTIALS_V2]},
  'a context that is no URL': {'@context': [CREDENTIALS_V2, NO_URL]},
  'a context that is a number': {'@context': [CREDENTIALS_V2, 123192875]},
  'a context that nobody has': {'@context': [CREDENTIALS_V2, 'https://example.com/unknown']},
  'id null': {id: null},
  'id a number': {id: 5},
  'id no URL': {id: 'not-a-url'},
  'two ids': {id: ['did:example:credential', 'did:example:other']},
  "the subject's id no URL": {credentialSubject: {id: 'not-a-url', name: 'x'}},
  'two ids of the subject': {credentialSubject: {id: ['did:example:a', 'did:example:b']}},
  'no type': {type: undefined},
  'a number as type': {type: 4},
  'null as type': {type: null},
  'no types': {type: []},
  'null among the types': {type: ['VerifiableCredential', null]},
  'without the required type':
    {...terms(own('ExampleCredential')), type: ['ExampleCredential']},
  'a type mapped to no URL': typed('Example', own('Example', 'https ://not-a-url#Example')),
  'a type that no context has': {type: ['VerifiableCredential', 'UnmappedCredential']},
  'a type that no context has, with a vocabulary of null':
    typed('UnmappedCredential', {'@vocab': null}),
  'the required type defined again': terms(own('VerifiableCredential')),
  'a protected term defined again': {
    type: ['VerifiableCredential', 'Example'],
    '@context': [CREDENTIALS_V2, {'@protected': true, ...own('Example')},
      own('Example', 'https://example.org/#Another')],
  },
  'no issuer': {issuer: undefined},
  'issuer null': {issuer: null},
  'issuer a number': {issuer: 4},
  'issuer true': {issuer: true},
  'issuer a list': {issuer: []},
  'issuer no URL': {issuer: 'not-a-url'},
  "the issuer's id null": {issuer: {id: null}},
  "the issuer's id no URL": {issuer: {id: 'not-a-url'}},
  'no subject': {credentialSubject: undefined},
  'subject null': {credentialSubject: null},
  'subject true': {credentialSubject: true},
  'subject a number': {credentialSubject: 4},
  'subject a text': {credentialSubject: 'did:example:1234'},
  'no subjects': {credentialSubject: []},
  'an empty subject': {credentialSubject: {}},
  'an empty subject among others': {credentialSubject: [{id: 'did:example:a'}, {}]},
  'validFrom in words': {validFrom: 'Sat 25 Feb 2023 07:16:31 PM CST'},
  'validUntil in words': {validUntil: 'Sat 25 Feb 2023 07:16:31 PM CST'},
  'validUntil before validFrom':
    {validFrom: '2025-01-01T00:00:00Z', validUntil: '2024-01-01T00:00:00Z'},
  'a status without type': status({id: 'did:example:status'}),
  'a status with a number as type': status({id: 'did:example:status', type: 2}),
  'a status with two ids':
    status({id: ['did:example:1', 'did:example:2'], type: 'ListStatus2017'}),
  'a status whose id is no URL': status({id: NO_URL, type: 'ListStatus2017'}),
  'a schema without type': {credentialSchema: {id: 'did:example:schemas/1'}},
  'a schema without id': {credentialSchema: {type: 'https://example.org/#Schema'}},
  'a schema whose id is a number': {credentialSchema: {id: 4, type: 'https://example.org/#Schema'}},
  'a refresh service without type': {refreshService: {id: 'did:example:refresh/1'}},
  'terms of use without type': {termsOfUse: {id: 'did:example:terms'}},
  'evidence without type': {evidence: {id: 'did:example:evidence'}},
  'an undefined term': {statusEntry: {type: 'BitstringStatusListEntry', statusListIndex: true}},
  'a name with another member': {name: odd},
  'a description with another member': {description: odd},
  "an issuer's name with another member": {issuer: {id: issuer, name: odd}},
  "an issuer's description with another member": {issuer: {id: issuer, description: odd}},
  'related resources that are texts': related('https://example.org/a'),
  'a related resource without id': related({digestSRI: CONTEXT_SRI}),
  'two related resources with one id': related(
    {id: CREDENTIALS_V2, digestSRI: CONTEXT_SRI}, {id: CREDENTIALS_V2, digestSRI: CONTEXT_SRI}),
  'a related resource without digest': related({id: CREDENTIALS_V2}),
  'a related resource with another SHA-384':
    related({id: CREDENTIALS_V2, digestSRI: CONTEXT_SRI.replace('l/H', 'l/I')}),
  'a related resource with another digest':
    related({id: CREDENTIALS_V2, digestMultibase: CONTEXT_MULTIBASE.replace('WZ', 'WY')}),
};

const credential = members => JSON.parse(JSON.stringify({...plain, ...members}));

for(const [what, members] of Object.entries(ISSUED)) {
  test(`issues: ${what}`, async () => {
    const answer = await issue(credential(members));
    accepted(answer, 201);
    const {verifiableCredential} = answer.body;
    const {issuer: named} = verifiableCredential;
    assert.equal(named.id ?? named, issuer);
    assert.equal(verifiableCredential.proof.proofPurpose, 'assertionMethod');
  });
}

for(const [what, members] of Object.entries(REFUSED)) {
  test(`does not issue: ${what}`, async () => {
    refused(await issue(credential(members)));
  });
}

test('does not issue without a token', async () => {
  for(const headers of [{}, {authorization: 'Bearer wrong'}]) {
    const {status, body} = await call('/credentials/issue', {credential: plain}, headers);
    assert.equal(status, 401, JSON.stringify(body));
  }
});

test('does not issue what has another name', async () => {
  refused(await call('/credentials/issue', {verifiableCredential: plain}));
  refused(await call('/credentials/issue', {}));
  refused(await call('/credentials/issue', []));
});

test('options may be left out', async () => {
  accepted(await call('/credentials/issue', {credential: plain}), 201);
});

test('VC 1.1 without issuanceDate is issued with one', async () => {
  const answer = await issue(credential({'@context': [CREDENTIALS_V1]}));
  accepted(answer, 201);
  const {verifiableCredential} = answer.body;
  assert.ok(verifiableCredential.issuanceDate);
  assert.ok(verifiableCredential['@context'].length > 1);
});

test('what is issued verifies there, and its revocation shows', async () => {
  const id = `urn:uuid:${crypto.randomUUID()}`;
  const answer = await issue(credential({id, credentialStatus: undefined}));
  accepted(answer, 201);
  const {verifiableCredential} = answer.body;
  const revocation = async () => {
    const checkStatus = options => statusList.checkStatus(
      {...options, suite: VERIFIERS, documentLoader, verifyMatchingIssuers: false});
    const result = await vc.verifyCredential(
      {credential: verifiableCredential, suite: VERIFIERS, documentLoader, checkStatus});
    assert.ok(result.verified, String(result.statusResult?.error ?? result.error?.errors));
    return result.statusResult.results.find(
      ({credentialStatus}) => credentialStatus.statusPurpose === 'revocation').status;
  };
  assert.equal(await revocation(), false);
  const change = {
    credentialId: id,
    credentialStatus: {type: 'BitstringStatusListEntry', statusPurpose: 'revocation'},
    status: true,
  };
  const {status} = await call('/credentials/status', change, {});
  assert.equal(status, 401);
  accepted(await call('/credentials/status', change));
  assert.equal(await revocation(), true);
});

test('a status of a credential that is not here is not changed', async () => {
  const {status} = await call('/credentials/status', {
    credentialId: 'urn:uuid:00000000-0000-4000-8000-000000000000',
    credentialStatus: {type: 'BitstringStatusListEntry', statusPurpose: 'revocation'},
    status: true,
  });
  assert.ok([400, 404].includes(status), String(status));
});
