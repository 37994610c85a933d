/**
 * How messages, reports and results name what is behind a URL: without what somebody signs in with, a name, a password
 * or a signature.
 */

const SIGNED = /^(https?:\/\/)(?:[^/?#\\]*@)?([^?#]*)/i;

/** Paths, and what else is named, stay as they are. */
export function spokenName(named: string): string {
  const [, scheme, place] = SIGNED.exec(named) ?? [];
  return scheme === undefined || place === undefined ? named : scheme + place;
}
