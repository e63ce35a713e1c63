// The compatibility profile of the node under test. CREDLOG_TOKEN is the bearer token for issuing
// and for changing a status.

import assert from 'node:assert/strict';
import {NODE} from './credlog.mjs';

const AUTHORIZED = {authorization: `Bearer ${process.env.CREDLOG_TOKEN}`};

/** POSTs JSON as the W3C test suites do; answers with status and JSON body. */
export async function call(path, body, headers = AUTHORIZED) {
  const answer = await fetch(NODE + path, {
    method: 'POST',
    headers: {
      accept: 'application/json, application/ld+json, */*',
      'content-type': 'application/json',
      ...headers,
    },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  const json = answer.headers.get('content-type')?.includes('json');
  return {status: answer.status, body: json ? JSON.parse(text) : text};
}

export const issue = (credential, options = {}) =>
  call('/credentials/issue', {credential, options});

export const verify = (verifiableCredential, options = {}) => call(
  '/credentials/verify', {verifiableCredential, options: {checks: ['proof'], ...options}});

export const verifyPresentation = (verifiablePresentation, options = {}) =>
  call('/presentations/verify', {verifiablePresentation, options});

/** Held to be good: the status, and no error beside it. */
export function accepted({status, body}, expected = 200) {
  assert.equal(status, expected, JSON.stringify(body));
  assert.ok(!body.errors?.length, JSON.stringify(body));
}

/** Refused as W3C's suites want it, with the problem's type. */
export function refused({status, body}) {
  assert.equal(status, 400, JSON.stringify(body));
  assert.equal(typeof body.type, 'string', JSON.stringify(body));
  assert.equal(typeof body.title, 'string', JSON.stringify(body));
}
