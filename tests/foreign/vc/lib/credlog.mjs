// The node and the command line under test, as the test that runs this says:
//
//   CREDLOG_NODE     URL of a running node
//   CREDLOG_BINARY   the command line
//   CREDLOG_HOME     folder with the folders of issuers: `issuer`, `did-web`

import {execFile} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {tmpdir} from 'node:os';
import {after} from 'node:test';

export const NODE = required('CREDLOG_NODE');
const BINARY = required('CREDLOG_BINARY');
const HOME = required('CREDLOG_HOME');

/** A folder that is gone after the tests. */
export const folder = mkdtempSync(join(tmpdir(), 'credlog-foreign-'));
after(() => rmSync(folder, {recursive: true}));

/** A folder beside that of the issuer. */
export const inHome = name => join(HOME, name);

/** The issuer's folder, and its id. */
export const issuerHome = inHome('issuer');
export const {id: issuer} = JSON.parse(readFileSync(join(issuerHome, 'issuer.json')));

/** Runs the command line; answers with exit code and output. */
export function credlog(...words) {
  const options = {cwd: folder, env: {...process.env, CREDLOG_NODE: NODE}, timeout: 60_000};
  return new Promise((resolve, reject) => {
    execFile(BINARY, words, options, (error, stdout, stderr) => {
      if(error && typeof error.code !== 'number') {
        return reject(error);
      }
      resolve({code: error?.code ?? 0, stdout, stderr});
    });
  });
}

/** Runs the command line, which must succeed; answers with its JSON. */
export async function credlogJson(...words) {
  const {code, stdout, stderr} = await credlog(...words, '--json');
  if(code !== 0) {
    throw new Error(`credlog ${words.join(' ')}: exit code ${code}: ${stderr}`);
  }
  return JSON.parse(stdout);
}

let files = 0;

/** Writes a file of its own; text as it is, anything else as JSON. */
export function file(content, extension = 'json') {
  const path = join(folder, `${++files}.${extension}`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

/** The verdict of `credlog verify` on a credential. */
export async function verdict(credential) {
  const {stdout, stderr} = await credlog(
    'verify', '--json', file(credential, typeof credential === 'string' ? 'jws' : 'json'));
  const answer = JSON.parse(stdout || '{}');
  if(!answer.verdict) {
    throw new Error(`no verdict: ${stdout}${stderr}`);
  }
  return answer.verdict;
}

/** What a verdict says of one check: yes, no or unknown. */
export function outcome({checks}, name) {
  return checks.find(check => check.name === name)?.outcome;
}

/** Sends JSON, or text as it is; answers with status and body. */
export async function post(path, body, headers = {}) {
  const text = typeof body === 'string';
  const answer = await fetch(NODE + path, {
    method: 'POST',
    headers: {'content-type': text ? 'application/vc+jwt' : 'application/json', ...headers},
    body: text ? body : JSON.stringify(body),
  });
  return {status: answer.status, headers: answer.headers, body: await answer.json()};
}

function required(name) {
  const value = process.env[name];
  if(!value) {
    throw new Error(`${name} is not set: the test foreign_vc runs this (tests/foreign/README.md)`);
  }
  return value;
}
