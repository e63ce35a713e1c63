// Status lists of another issuer: good ones, and all that a list can have wrong.

import * as statusList from '@digitalbazaar/vc-bitstring-status-list';
import {gzipSync} from 'node:zlib';
import {CREDENTIALS_V2} from './documents.mjs';
import {newKey, now, prove} from './sign.mjs';

const POSITIONS = 131_072;
const INDEX = 94_567;
/** A revoked position. */
export const REVOKED = 4_711;

/** Where the list is; the node under test may fetch it there, if it may fetch at all. */
export const LIST = `${process.env.CREDLOG_LISTS ?? 'https://foreign.example'}/status/3`;
const suite = 'eddsa-jcs-2022';
const key = await newKey('Ed25519', 'lists');

const encoded = await (async () => {
  const list = await statusList.createList({length: POSITIONS});
  list.setStatus(REVOKED, true);
  return list.encode();
})();
const multibase = bytes => `u${bytes.toString('base64url')}`;

const entry = {
  id: `${LIST}#${INDEX}`,
  type: 'BitstringStatusListEntry',
  statusPurpose: 'revocation',
  statusListIndex: String(INDEX),
  statusListCredential: LIST,
};

/** A credential with an entry; members in place of those of a good one. */
export const credential = (members = {}) => prove({
  '@context': [CREDENTIALS_V2],
  type: ['VerifiableCredential'],
  issuer: key.controller,
  credentialSubject: {id: 'did:example:learner'},
  credentialStatus: {...entry, ...members},
}, {suite, key});

const unsigned = (id = LIST, subject = {}, members = {}) => ({
  '@context': [CREDENTIALS_V2],
  id,
  type: ['VerifiableCredential', 'BitstringStatusListCredential'],
  issuer: key.controller,
  validFrom: now(-3600),
  credentialSubject: {
    id: `${id}#list`, type: 'BitstringStatusList', statusPurpose: 'revocation',
    encodedList: encoded, ...subject,
  },
  ...members,
});

/** A signed list of an address; members in place of those of a good one. */
export const list = (url, subject, members) =>
  prove(unsigned(url, subject, members), {suite, key});

const short = multibase(gzipSync(Buffer.alloc(POSITIONS / 16)));
const bomb = multibase(gzipSync(Buffer.alloc(256 << 20)));

/**
 * What must never make a credential good: members of its entry, the list that is served at an
 * address, and the end of the problem's type where the specification names one.
 */
export const NOT_GOOD = {
  'too short a list':
    [{}, url => list(url, {encodedList: short}), 'STATUS_LIST_LENGTH_ERROR'],
  'an index outside':
    [{statusListIndex: String(POSITIONS)}, url => list(url), 'RANGE_ERROR'],
  'an index far outside': [{statusListIndex: '99999999999999999999'}, url => list(url)],
  'a negative index': [{statusListIndex: '-1'}, url => list(url)],
  'an index that is no number': [{statusListIndex: 'one'}, url => list(url)],
  'an index that is true': [{statusListIndex: true}, url => list(url)],
  'another purpose of the list': [{}, url => list(url, {statusPurpose: 'suspension'})],
  'another purpose of the entry': [{statusPurpose: 'suspension'}, url => list(url)],
  'a list without multibase': [{}, url => list(url, {encodedList: encoded.slice(1)})],
  'a list in another base': [{}, url => list(url, {encodedList: `z${encoded.slice(1)}`})],
  'a list with padding': [{}, url => list(url, {encodedList: `${encoded}==`})],
  'a list that is not compressed':
    [{}, url => list(url, {encodedList: multibase(Buffer.alloc(POSITIONS / 8))})],
  'a list that is cut off': [{}, url => list(url, {encodedList: encoded.slice(0, -12)})],
  'a list that grows to 256 MiB': [{}, url => list(url, {encodedList: bomb})],
  'a list that is a number': [{}, url => list(url, {encodedList: 7})],
  'no list in the credential': [{}, url => list(url, {encodedList: undefined})],
  'another type of the list': [{}, url => list(url, {type: 'BitstringList'})],
  'another type of its credential': [{}, url => list(url, {}, {type: ['VerifiableCredential']})],
  'a list that is over': [{}, url => list(url, {}, {validUntil: now(-60)})],
  'a list of another address': [{}, () => list('https://foreign.example/status/4')],
  'a list that was changed after it was signed': [{}, async url => {
    const {credentialSubject, ...rest} = await list(url);
    return {...rest, credentialSubject: {...credentialSubject, encodedList: short}};
  }],
  'a list without proof': [{}, url => unsigned(url), 'STATUS_VERIFICATION_ERROR'],
  'a list of somebody else': [{}, async url =>
    prove(unsigned(url), {suite, key: await newKey('Ed25519', 'somebody else')})],
};
