// How long @digitalbazaar/vc takes to check a credential, warm and one after the other, in one
// process: the yardstick of tests/bench.
//
//   node bench.mjs SECONDS FILE…
//
// Prints one line of JSON a file: {"file": …, "checks": …, "msEach": …}.

import * as vc from '@digitalbazaar/vc';
import {loader} from './lib/documents.mjs';
import {readFileSync} from 'node:fs';
import {VERIFIERS} from './lib/sign.mjs';

const WARM_UP_SHARE = 0.25;

const [seconds, ...files] = process.argv.slice(2);
const load = loader();
// As their documentation advises: what never changes is processed once.
const documentLoader = async url => ({...await load(url), tag: 'static'});
// A list of statuses is no part of what is compared.
const checkStatus = async () => ({verified: true});

async function check(text) {
  const result = await vc.verifyCredential(
    {credential: JSON.parse(text), suite: VERIFIERS, documentLoader, checkStatus});
  if(!result.verified) {
    throw new Error(`not verified: ${result.error?.errors ?? result.error}`);
  }
}

async function measure(text, forMs) {
  const began = performance.now();
  let checks = 0;
  while(performance.now() - began < forMs) {
    await check(text);
    checks++;
  }
  return {checks, msEach: (performance.now() - began) / checks};
}

for(const file of files) {
  const text = readFileSync(file, 'utf8');
  await measure(text, 1000 * seconds * WARM_UP_SHARE);
  console.log(JSON.stringify({file, ...await measure(text, 1000 * seconds)}));
}
