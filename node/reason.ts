/**
 * What the operating system means by an error, in words.
 * Always a phrase for the middle of a sentence; unknown codes keep the system's own words.
 */
import { constants } from 'node:os';

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBUSY: 'something else is using it',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file system does not take files of this size',
  EIO: 'the disk reported an error',
  EISDIR: 'it is a directory',
  ELOOP: 'its symbolic links lead in a circle',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'the name is too long',
  ENFILE: 'too many files are open',
  ENOENT: 'there is no such file or directory',
  ENOSPC: 'no space is left on the disk',
  ENOTDIR: 'a part of its path is a file, not a directory',
  EPERM: 'the operation is not permitted',
  EROFS: 'the file system is read-only',
  ESTALE: 'the file server no longer has it',
};

export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  const known = code === undefined ? undefined : REASONS[code];
  if (known !== undefined) return known;
  return error instanceof Error ? error.message : String(error);
}

/** Codes that Node has no name for, although the system has a number. */
const UNNAMED = ['EDQUOT', 'ESTALE'] as const;

/** Such as ENOENT. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, errno } = error as { readonly code?: unknown; readonly errno?: unknown };
  const unnamed = UNNAMED.find((name) => errno === -constants.errno[name]);
  return unnamed ?? (typeof code === 'string' ? code : undefined);
}
