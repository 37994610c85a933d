/**
 * The files of a model that are open, on this machine or behind a URL.
 */
import type { MonoquantError } from '../js/api/errors.js';
import type { ModelIndex, WeightMap } from '../js/api/model-files.js';
import type { Remote } from '../js/url/remote.js';
import type { FileIdentity, SizedFile } from './open-file.js';

/** A file as the engine's threads are told of it. */
export type SourceFile = SizedFile | Remote;

export interface OpenedFile {
  /** Without its folder. */
  readonly name: string;
  readonly file: SourceFile;
  /** Undefined if it is not on this machine. */
  readonly identity: FileIdentity | undefined;
  /** Changes with its content: a time, or what its server calls its version. Undefined if all of it is in memory. */
  readonly version: string | undefined;
  /** Whether it may have to be unpacked before it is read. */
  readonly isZstd: boolean;
  /** Throws if what was read may be a mixture of two versions. */
  checkUnchanged(): void | Promise<void>;
  close(): void;
}

export interface ModelFiles {
  readonly parts: readonly OpenedFile[];
  readonly index?: OpenedFile;
  readonly weightMap?: WeightMap;
  readonly indexMetadata?: ModelIndex['metadata'];
  readonly folder?: ModelFolder;
  /** Why it is not the whole model. */
  readonly fault?: MonoquantError;
}

/** The folder that a model is. */
export interface ModelFolder {
  /** Files in it; of one behind a URL, those that change what the weights mean. */
  readonly names: readonly string[];
  readonly config?: {
    readonly input: OpenedFile;
    /** Throws if it is too large. */
    readonly content: () => Uint8Array<ArrayBuffer>;
  };
  /** Where it is, with all that stands beside the weights; what is far away is brought first. */
  readonly path: () => Promise<string>;
}
