// Signing and verifying with Digital Bazaar's libraries.

import * as ecdsaJcs from '@digitalbazaar/ecdsa-jcs-2019-cryptosuite';
import * as ecdsaMultikey from '@digitalbazaar/ecdsa-multikey';
import * as ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import * as eddsaJcs from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {createHash} from 'node:crypto';
import {cryptosuite as ecdsaRdfc} from '@digitalbazaar/ecdsa-rdfc-2019-cryptosuite';
import {cryptosuite as eddsaRdfc} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {loader} from './documents.mjs';

/** Per suite: what signs, what verifies, and the curve of its keys. */
export const SUITES = {
  'eddsa-rdfc-2022': {sign: eddsaRdfc, verify: eddsaRdfc, curve: 'Ed25519'},
  'eddsa-jcs-2022': {
    sign: eddsaJcs.createSignCryptosuite(),
    verify: eddsaJcs.createVerifyCryptosuite(),
    curve: 'Ed25519',
  },
  'ecdsa-rdfc-2019': {sign: ecdsaRdfc, verify: ecdsaRdfc, curve: 'P-256'},
  'ecdsa-jcs-2019': {
    sign: ecdsaJcs.createSignCryptosuite(),
    verify: ecdsaJcs.createVerifyCryptosuite(),
    curve: 'P-256',
  },
};

/** A did:key; an Ed25519 key of a name is the same in every run. */
export async function newKey(curve, name = 'foreign') {
  const key = curve === 'Ed25519' ?
    await ed25519Multikey.generate({seed: createHash('sha256').update(name).digest()}) :
    await ecdsaMultikey.generate({curve});
  const {publicKeyMultibase} = await key.export({publicKey: true});
  key.controller = `did:key:${publicKeyMultibase}`;
  key.id = `${key.controller}#${publicKeyMultibase}`;
  return key;
}

/** What verifies every suite. */
export const VERIFIERS = Object.values(SUITES).map(
  ({verify}) => new DataIntegrityProof({cryptosuite: verify}));

/** What signs with this suite and key, as @digitalbazaar/vc takes it. */
export function signer(suite, key) {
  return new DataIntegrityProof({signer: key.signer(), cryptosuite: SUITES[suite].sign});
}

/**
 * Adds a proof with any members, also ones that no library would write: undefined members are
 * left out. Canonical form, hashes and signature are the library's.
 *
 * @param {object} document - What is signed; proofs that stand in it are kept.
 * @param {object} options - The options.
 * @param {string} options.suite - Whose rules the signature follows.
 * @param {object} options.key - The key.
 * @param {object} [options.proof] - Members of the proof in place of the usual ones.
 * @param {object[]} [options.previous] - Proofs that this one signs, too (a chain).
 * @param {Function} [options.documentLoader] - In place of the offline one.
 */
export async function prove(document, {
  suite, key, proof = {}, previous = [], documentLoader = loader(),
}) {
  const {proof: kept, ...unsecured} = structuredClone(document);
  const integrity = signer(suite, key);
  const members = withoutUndefined({
    type: 'DataIntegrityProof',
    cryptosuite: suite,
    created: now(),
    verificationMethod: key.id,
    proofPurpose: 'assertionMethod',
    ...proof,
  });
  const data = {
    cryptosuite: SUITES[suite].sign,
    document: previous.length ? {...unsecured, proof: previous} : {...unsecured},
    proof: members,
    documentLoader,
    dataIntegrityProof: integrity,
  };
  const verifyData = await (SUITES[suite].sign.createVerifyData ?
    SUITES[suite].sign.createVerifyData(data) : integrity.createVerifyData(data));
  const signed = await integrity.sign({verifyData, proof: members});
  const proofs = [].concat(kept ?? [], signed);
  return {...unsecured, proof: proofs.length === 1 ? proofs[0] : proofs};
}

/** A time to the second, so many seconds from now. */
export function now(seconds = 0) {
  return new Date(Date.now() + 1000 * seconds).toISOString().replace(/\.\d+Z$/, 'Z');
}

function withoutUndefined(object) {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
