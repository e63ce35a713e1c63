/** docs/formats.md, "Names". */

import { need, utf8 } from "./bytes.js";

const MEMBER_ID = /^[a-z0-9][a-z0-9-]{0,39}$/;
const ISSUER_ID = /^(?:did:[a-z0-9]+:[!"$-.0->@-~]+|https:\/\/[!-~]+)$/;
const ACHIEVEMENT_ID = /^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$/;
const WEB_ADDRESS = /^https?:\/\/[!-~]+$/;
const NODE_ADDRESS = /^\/[!-~]*$/;
const ORIGIN = /^[!-*,-~]{1,100}$/;

/** Characters that a name for people does not have: control characters, invisible ones. */
const UNSEEN = new RegExp(
  "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u200e\\u200f" +
    "\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff9-\\ufffb" +
    "\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e007f}\\u{e0100}-\\u{e01ef}]",
  "u",
);
const LOOSE_JOINER = /(?:^|[\x00-\x7f\u200c\u200d])[\u200c\u200d]/u;

function matched(pattern: RegExp, most: number, what: string): (value: string) => string {
  return (value) => {
    need(value.length <= most && pattern.test(value), `${JSON.stringify(value)} is no ${what}`);
    return value;
  };
}

export const memberId = matched(MEMBER_ID, 40, "member id");
export const issuerId = matched(ISSUER_ID, 256, "issuer id");
export const achievementId = matched(ACHIEVEMENT_ID, 256, "achievement id");
export const webAddress = matched(WEB_ADDRESS, 256, "web address");
export const nodeAddress = matched(NODE_ADDRESS, 256, "node address");
export const originName = matched(ORIGIN, 100, "origin");

export function peopleName(value: string): string {
  const length = utf8(value).length;
  const good = length >= 1 && length <= 200 && !UNSEEN.test(value) && !LOOSE_JOINER.test(value);
  need(good, `${JSON.stringify(value)} is no name for people`);
  return value;
}
