/**
 * The package for compilers that are not told whether they compile for Node or for a page.
 * What is named by a path gives results that are files; what is given as a File or Blob gives results that are Blobs.
 * Node takes paths, browsers take Files and Blobs: the other kind is an error when the program runs.
 */
import type * as InNode from './node/index.js';
import type * as InBrowsers from './web/engine/index.js';

export * from './node/index.js';
/** In browsers only. */
export {
  type CompressOptions,
  compress,
  modelOf,
  preload,
  type ReadableFile,
} from './web/engine/index.js';

type Both<Name extends keyof typeof InNode & keyof typeof InBrowsers> = (typeof InBrowsers)[Name] &
  (typeof InNode)[Name];

/** Opens a model and reads its metadata. */
export declare const open: Both<'open'>;
/** Opens a file for its tensors: quantized ones come as the values that their codes stand for. */
export declare const load: Both<'load'>;
/** Quantizes a model. */
export declare const quantize: Both<'quantize'>;
/** Writes the same tensors, bit for bit, into another kind of file: the way out of pickles, and back. */
export declare const convert: Both<'convert'>;
/** Writes quantized tensors as floats again, under their original names and shapes. */
export declare const dequantize: Both<'dequantize'>;
/** Reads captured inputs of a model's layers, and perhaps a calibration to go on from. */
export declare const calibrate: Both<'calibrate'>;
/** Checks a quantized file: its structure, its codes and scales and, where there is a reference, its values. */
export declare const validate: Both<'validate'>;
/** Compares two files: sizes on disk, names, dtypes, shapes, and all values of the second with those of the first. */
export declare const compare: Both<'compare'>;
/** Counts the values of one tensor in a model and in what was made from it, and the errors between the two. */
export declare const distribution: Both<'distribution'>;

/** What names a model: a path or a `file:` URL in Node, a File, a Blob or several Files in browsers. */
export type ModelSource = string | URL | InBrowsers.ModelSource;

/** An open model in Node. */
export type FileModel = InNode.Model;
/** An open model in browsers. */
export type BlobModel = InBrowsers.Model;
export type Model = FileModel | BlobModel;

/** What comes out in Node. */
export type FileResult = InNode.QuantizeResult;
/** What comes out in browsers. */
export type BlobResult = InBrowsers.QuantizeResult;
export type QuantizeResult = FileResult | BlobResult;

export type ValidateOptions<Source = ModelSource> = InNode.ValidateOptions<Source>;
